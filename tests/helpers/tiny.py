"""Models of a few kB with random weights, made where a test needs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = ("<pad>", "<unk>", "<s>", "</s>", "a", "b", "c", "d")
SHAPE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 8}


def tokenizer(template: str = "<s> $A </s>", pad: bool = True, **settings: Any) -> Any:
    """A tokenizer of transformers that knows `WORDS` and adds what the template says."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = [(word, place) for place, word in enumerate(WORDS) if word in template]
    words.post_processor = TemplateProcessing(single=template, special_tokens=special)
    named = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"} | ({"pad_token": "<pad>"} if pad else {})
    return PreTrainedTokenizerFast(tokenizer_object=words, **named, **settings)


def bare(folder: Path, model: str = "Bert", template: str = "<s> $A </s>", pad: bool = True, **config: Any) -> Path:
    """A folder as transformers saves it: a `BertModel`, `RobertaModel`, `LlamaModel` or the like, and its tokenizer."""
    import torch
    import transformers

    torch.manual_seed(7)
    made = getattr(transformers, f"{model}Config")(**{**SHAPE, "initializer_range": 0.5, **config})
    getattr(transformers, f"{model}Model")(made).save_pretrained(folder)
    tokenizer(template, pad).save_pretrained(folder)
    return folder


def saved(folder: Path, *modules: Any, similarity: str | None = None) -> Path:
    """A folder as sentence-transformers saves it: these modules."""
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(modules=list(modules), device="cpu", similarity_fn_name=similarity).save_pretrained(
        str(folder), create_model_card=False
    )
    return folder


def change_json(file: Path, **settings: Any) -> None:
    """Set some fields of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | settings), encoding="utf-8")


def change_weights(file: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write other tensors into a safetensors file."""
    from safetensors.torch import load_file, save_file

    changed = {name: tensor.contiguous() for name, tensor in change(load_file(file)).items()}
    save_file(changed, file, metadata={"format": "pt"})
