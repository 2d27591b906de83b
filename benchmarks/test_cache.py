"""What the vector cache costs a transformer that fills it, and what it saves one that finds it filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from benchmarks.meter import Meter
from benchmarks.test_encoding import MINILM
from panglot.data.pool import Pool
from panglot.encode.cache import Shelf, VectorCache
from panglot.encode.load import load_model
from panglot.encode.model import Encoder
from panglot.encode.options import Options
from panglot.encode.vectors import Encoded, encode_items


@pytest.fixture(scope="module")
def model() -> Encoder:
    model = load_model(f"st:{MINILM}", Options(device="cpu"))
    model.encode(["The first text loads the weights."], "query")
    return model


def test_cache_of_a_transformer(
    benchmark: BenchmarkFixture,
    claim: Claim,
    pool: Pool,
    model: Encoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """all-MiniLM-L6-v2 on the Spanish and Thai passages of XQuAD-R: CPU seconds in the cache over those of the run."""
    find, add = Meter(Shelf.find), Meter(Shelf.add)
    monkeypatch.setattr(Shelf, "find", lambda *arguments: find(*arguments))
    monkeypatch.setattr(Shelf, "add", lambda *arguments: add(*arguments))
    part = pool.only(("es", "th"))
    encode = Meter(lambda: encode_items(model, part, "passage", VectorCache(tmp_path)))
    cold: Encoded = benchmark.pedantic(encode, rounds=1)
    in_cache, whole = find.total.cpu + add.total.cpu, encode.total.cpu
    claim("cache over a cold run of a transformer, CPU", in_cache / whole, at_most=0.03, cold=encode.total)
    warm = encode()
    claim(
        "warm over cold encoding of a transformer, CPU",
        encode.calls[1].cpu / encode.calls[0].cpu,
        at_most=0.1,
        warm=encode.calls[1],
    )
    assert (cold.fresh, warm.fresh) == (cold.texts, 0)
    assert np.array_equal(cold.vectors, warm.vectors)
