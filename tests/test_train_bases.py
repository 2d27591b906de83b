"""A base that cannot be trained is refused before the first step, with what to do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from panglot.errors import BadEncoder
from panglot.train.data.pairs import PairsBuilder, TextPair
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.run.train import train
from tests.helpers.tiny import bare, change_json, change_weights, saved, tokenizer


def modules_of(folder: Path) -> list[Any]:
    return list(SentenceTransformer(str(folder), device="cpu"))


def routed(folder: Path) -> Path:
    ways = {role: modules_of(bare(folder / role)) for role in ("query", "document")}
    return saved(folder / "routed", Router(ways, default_route="document"))


def static(folder: Path) -> Path:
    return saved(folder / "static", StaticEmbedding(tokenizer().backend_tokenizer, embedding_dim=8))


def short(folder: Path) -> Path:
    return bare(folder / "short", max_position_embeddings=16)


def short_roberta(folder: Path) -> Path:
    """Its positions begin behind that of padding."""
    return bare(folder / "short", model="Roberta", max_position_embeddings=17, pad_token_id=0)


def broken(folder: Path) -> Path:
    made = bare(folder / "broken")
    change_weights(made / "model.safetensors", lambda all_: {n: t * float("nan") for n, t in all_.items()})
    return made


def frozen(folder: Path) -> Path:
    """An adapter, whose base and own weights are frozen when it is loaded."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    base = bare(folder / "base", max_position_embeddings=64)
    config = LoraConfig(r=2, target_modules=["query"], task_type="FEATURE_EXTRACTION")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft asks of transformers is deprecated there
        get_peft_model(AutoModel.from_pretrained(base), config).save_pretrained(folder / "adapter")
    tokenizer().save_pretrained(folder / "adapter")
    return folder / "adapter"


def reranker(folder: Path) -> Path:
    """A cross-encoder as transformers saves it."""
    made = bare(folder / "reranker", max_position_embeddings=64)
    change_json(made / "config.json", architectures=["BertForSequenceClassification"])
    return made


def sparse(folder: Path) -> Path:
    made = saved(folder / "sparse", *modules_of(bare(folder / "bare", max_position_embeddings=64)))
    change_json(made / "config_sentence_transformers.json", model_type="SparseEncoder")
    return made


def incomplete(folder: Path) -> Path:
    made = bare(folder / "incomplete", max_position_embeddings=64)
    change_weights(made / "model.safetensors", lambda all_: {n: t for n, t in all_.items() if "attention" not in n})
    return made


def nothing(folder: Path) -> Path:
    return folder / "nothing"


def outcome(base: Path, folder: Path, **text: Any) -> int:
    """Steps of a run on a base."""
    content = {"name": "x", "languages": ["en"], "text": {"base": str(base), "length": 32, **text}}
    content |= {"data": [{"name": "terms"}], "sampler": {"kind": "mono"}, "training": {"steps": 1, "batch": 2}}
    builder = PairsBuilder(("en",))
    builder.add_texts("terms", [TextPair(str(n), "en", word, f"{word} {word}") for n, word in enumerate("abcd")])
    return train(make_recipe(content), folder / "model", builder.build()).training.steps


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (routed, "starts with a Router instead of a transformer.* Choose a transformers or"),
        (static, "starts with a StaticEmbedding.* It is static: set text.kind to static"),
        (short, "has 16 positions, not 32. Set text.length to 16"),
        (short_roberta, "has 16 positions, not 32. Set text.length to 16"),
        (broken, "does not return finite vectors"),
        (frozen, "has no trainable weights. If it is a LoRA adapter"),
        (reranker, "is a BertForSequenceClassification, not an encoder"),
        (sparse, "is a SparseEncoder, not an encoder"),
        (incomplete, "lacks weights that its vectors depend on"),
        (nothing, "cannot be loaded"),
    ],
)
def test_unsuitable_base_is_refused_before_the_first_step(
    make: Callable[[Path], Path], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadEncoder, match=said):
        outcome(make(tmp_path), tmp_path)
    assert not list(tmp_path.rglob("tensorboard"))


def test_decoder_without_a_padding_token_is_padded_by_its_last(tmp_path: Path) -> None:
    base = bare(tmp_path / "decoder", model="Llama", pad=False, num_key_value_heads=2, max_position_embeddings=64)
    assert outcome(base, tmp_path) == 1


def test_decoder_pooled_at_its_first_token_is_refused(tmp_path: Path) -> None:
    base = bare(tmp_path / "decoder", model="Llama", num_key_value_heads=2, max_position_embeddings=64)
    with pytest.raises(BadEncoder, match=r"same vector for all texts that start alike\. .* set text\.pooling to mean"):
        outcome(base, tmp_path, pooling="cls")


def test_base_is_trained_at_its_full_length(tmp_path: Path) -> None:
    assert outcome(short(tmp_path), tmp_path, length=16) == 1
