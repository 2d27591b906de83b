"""A text model of random weights that reads letters, with data, a recipe and the gradient of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import (
    SentenceTransformer,
)
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from panglot.train.data.pairs import Pairs, PairsBuilder, TextPair
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.steps.batches import BatchDrawer
from panglot.train.steps.inputs import Collator, PairRows
from panglot.train.steps.loss import HybridLoss

LANGUAGES = ("de", "en", "zh")


SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


LETTERS = "▁abcdefghijklmnopqrstuvwxyz0123456789"


LAYERS = 4


DIMENSION = 16


def save_letters(folder: Path) -> Path:
    """A BERT of random weights that reads letters, as transformers saves one."""
    letters = Tokenizer(models.Unigram([*((s, 0.0) for s in SPECIAL), *((c, -3.0) for c in LETTERS)], unk_id=3))
    letters.pre_tokenizer = pre_tokenizers.Metaspace()
    letters.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters, cls_token="<s>", pad_token="<pad>", sep_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": DIMENSION, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 32}
    drop = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    vocabulary = len(SPECIAL) + len(LETTERS)
    config = BertConfig(vocab_size=vocabulary, pad_token_id=1, initializer_range=0.3, **sizes, **drop)
    BertModel(config).save_pretrained(folder)
    return folder


def entries(hard: bool = False) -> list[TextPair]:
    """Twelve parallel questions with their passages, and with a wrong passage where negatives are hard."""
    return [
        TextPair(str(n), x, f"{x} ask {n}", f"{x} say {n} and {n}", f"{x} other {n}" if hard else None)
        for n in range(12)
        for x in LANGUAGES
    ]


def pairs_of(found: list[TextPair]) -> Pairs:
    builder = PairsBuilder(LANGUAGES)
    builder.add_texts("ntrex", found)
    return builder.build()


def recipe_of(base: Path, **parts: Any) -> Recipe:
    content = {
        "name": "tiny",
        "languages": list(LANGUAGES),
        "text": {"base": str(base), "length": 32},
        "data": [{"name": "ntrex"}],
        "training": {"steps": 2, "batch": 6, "learning_rate": 0.01},
    }
    return make_recipe(content | parts)


def gradients(
    model: SentenceTransformer, recipe: Recipe, pairs: Pairs, features: torch.Tensor | None = None
) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss of the first batch, and its gradient in every weight, in the precision of the model."""
    batch = BatchDrawer(pairs, recipe).draw(0)
    collated = Collator(model, recipe, pairs.images, features)(PairRows(pairs, recipe).__getitems__(batch.rows))
    label = collated.pop("label")
    columns = [
        {name.removeprefix(f"{column}_"): value for name, value in collated.items() if name.startswith(f"{column}_")}
        for column in ("query", "passage", "negative")
    ]
    model.zero_grad()
    loss = HybridLoss(model, recipe)([column for column in columns if column], label)
    loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return float(loss.detach()), {name: gradient.clone() for name, gradient in found.items()}
