"""Models of images and text with random weights, as transformers saves them: CLIP and SigLIP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = ("<pad>", "<unk>", "<s>", "</s>", "red", "blue", "a", "picture", "0", "1", "2")


def _tokenizer() -> Any:
    """A tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=16, **special)


SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXTS = {**SHAPE, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "vocab_size": len(WORDS)}
EYES = {**SHAPE, "image_size": 32, "patch_size": 8}


def save_clip(folder: Path) -> Path:
    """A tiny CLIP with random weights, its tokenizer and its image processor, as transformers saves them."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    torch.manual_seed(0)
    config = CLIPConfig(text_config={**TEXTS, "max_position_embeddings": 16}, vision_config=EYES, projection_dim=8)
    CLIPModel(config).save_pretrained(folder)
    eyes = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=eyes, tokenizer=_tokenizer()).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """A tiny SigLIP with random weights, in the same way."""
    import torch
    from transformers import SiglipConfig, SiglipModel, SiglipProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    torch.manual_seed(0)
    SiglipModel(SiglipConfig(text_config={**TEXTS, "max_position_embeddings": 12}, vision_config=EYES)).save_pretrained(
        folder
    )
    eyes = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    SiglipProcessor(image_processor=eyes, tokenizer=_tokenizer()).save_pretrained(folder)
    return folder
