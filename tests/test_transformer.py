"""Bare transformers: every pooling against each text alone, without padding, pooled by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder
from panglot.encode.kinds.transformer import parse
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.errors import BadEncoder
from tests.helpers.minilm import MINILM

TEXTS = ["bees", "bees dance in the sun", "the sun and the bees dance and dance", "in the sun bees"]
WORDS = ["[UNK]", "[END]", "[CLS]", "[PAD]", "bees", "dance", "in", "the", "sun", "and"]
BY_HAND: dict[str, Any] = {
    "mean": lambda tokens: tokens.mean(axis=0),
    "cls": lambda tokens: tokens[0],
    "last": lambda tokens: tokens[-1],
    "max": lambda tokens: tokens.max(axis=0),
}


@pytest.fixture(scope="module", params=["left", "right"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of random weights without a padding token and with a template for chats; pads on one side."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="[END]")
    tokenizer.padding_side = request.param
    tokenizer.chat_template = "{% for message in messages %}the {{ message['content'] }} sun{% endfor %}"
    torch.manual_seed(3)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    folder = tmp_path_factory.mktemp(request.param)
    LlamaModel(LlamaConfig(vocab_size=len(WORDS), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def token_vectors(folder: Path) -> list[np.ndarray]:
    """The vectors [tokens, dim] of each text, computed alone."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy() for text in TEXTS]


def load(name: str, **options: Any) -> SentenceTransformerEncoder:
    model = load_model(f"hf:{name}", Options(device="cpu", **options))
    assert isinstance(model, SentenceTransformerEncoder)
    return model


@pytest.mark.parametrize("pooling", BY_HAND)
def test_padding_changes_no_vector(tiny: Path, pooling: str) -> None:
    expected = np.stack([BY_HAND[pooling](tokens) for tokens in token_vectors(tiny)])
    encoder = load(f"{tiny}?pooling={pooling}&normalise=false")
    assert encoder.encode(TEXTS, "query") == pytest.approx(expected, abs=1e-5)
    assert encoder.card.backend == f"torch, {pooling} pooling"
    assert encoder.card.similarity == "dot"
    unit = load(f"{tiny}?pooling={pooling}")
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    assert unit.encode(TEXTS, "passage") == pytest.approx(expected / lengths, abs=1e-5)
    assert unit.card.similarity == "cosine"


@pytest.mark.parametrize("pooling", BY_HAND)
def test_poolings_of_a_real_encoder(pooling: str) -> None:
    expected = np.stack([BY_HAND[pooling](tokens) for tokens in token_vectors(MINILM)])
    found = load(f"{MINILM}?pooling={pooling}&normalise=false").encode(TEXTS, "query")
    assert found == pytest.approx(expected, abs=1e-5)


def test_mean_pooling_equals_the_sentence_transformers_model_made_of_it() -> None:
    texts = [*TEXTS, "Bienen tanzen", "bees and flowers " * 20]
    own = load_model(f"st:{MINILM}", Options(device="cpu")).encode(texts, "query")
    bare = load(f"{MINILM}?pooling=mean", max_length=256)
    assert (own * bare.encode(texts, "query")).sum(axis=1).min() > 1 - 1e-5
    assert bare.card.max_length == 256
    assert load(f"{MINILM}?pooling=mean").card.max_length == 512


def test_options_change_vectors_and_card(tiny: Path) -> None:
    encoder = load(f"{tiny}?pooling=mean", query_prompt="the sun ", truncate_dim=8, precision="bf16")
    assert encoder.card.prompts == {"query": "the sun "}
    assert (encoder.card.dimension, encoder.card.precision) == (8, "bf16")
    assert encoder.encode(TEXTS, "query").shape == (len(TEXTS), 8)
    assert encoder.count_tokens(TEXTS, "query").tolist() == [3, 7, 10, 6]
    assert encoder.count_tokens(TEXTS, "passage").tolist() == [1, 5, 8, 4]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/b", r"hf:a/b must specify the pooling: hf:a/b\?pooling=mean\|cls\|last\|max\|own\.$"),
        ("a/b?pooling=sum", "must specify the pooling"),
        (str(MINILM), f"Or use st:{MINILM}, which uses modules"),
        ("a/b?pooling=cls&normalize=true", "unknown setting 'normalize'"),
        ("a/b?pooling=cls&normalise=yes", "normalise must be true or false, not 'yes'"),
    ],
)
def test_incomplete_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(BadEncoder, match=message):
        parse(name)


def test_tokenizer_without_padding_is_refused(tiny: Path, tmp_path: Path) -> None:
    import json
    import shutil

    folder = tmp_path / "endless"
    shutil.copytree(tiny, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("eos_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(BadEncoder, match="neither a padding nor an end-of-text token"):
        load(f"{folder}?pooling=last")
