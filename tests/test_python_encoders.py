"""Encoders that people write, `py:module:factory`: what they may return, what is said if they fail, what is reused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.arrays import as_array
from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.card import ModelCard, Role
from panglot.encode.load import load_model
from panglot.encode.model import CountsTokens, SeesImages, find_unpinned
from panglot.encode.scoring import score_pool
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder, PanglotError, spelled
from panglot.evaluate.plan import plan_run
from tests.helpers.command import panglot_process

VECTORS = np.array([[1.0, 0.5], [0.25, 2.0], [3.0, 4.0]])
NUMBERS = count()

Make = Callable[[str], Any]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Loads what the function `make` of a module with this source returns."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def load(source: str) -> Any:
        name = f"written_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        return load_model(f"py:{name}:make")

    return load


class Returns:
    """An encoder that returns what it is told to, of as many texts as it is asked."""

    card = ModelCard(name="returns", revision="1", library="none")

    def __init__(self, made: Callable[[np.ndarray], Any]) -> None:
        self._made = made

    def encode(self, texts: Sequence[str], role: Role) -> Any:
        return self._made(np.array([[len(text), sum(map(ord, text)) % 97 + 1.0] for text in texts]))


def _torch(change: Callable[[Any], Any]) -> Callable[[np.ndarray], Any]:
    import torch

    return lambda vectors: change(torch.from_numpy(vectors.astype(np.float32)))


PLAIN: dict[str, Callable[[np.ndarray], Any]] = {
    "float64": lambda v: v,
    "float16": lambda v: v.astype(np.float16),
    "big-endian": lambda v: v.astype(">f4"),
    "read-only": lambda v: np.broadcast_to(v, v.shape),
    "columns of a larger array": lambda v: np.asfortranarray(np.repeat(v, 2, axis=1))[:, ::2],
    "lists": lambda v: v.tolist(),
    "a list of arrays": list,
    "a tuple of lists": lambda v: tuple(v.tolist()),
    "objects": lambda v: v.astype(object),
    "torch float32": _torch(lambda t: t),
    "torch bf16": _torch(lambda t: t.bfloat16()),
    "torch fp16": _torch(lambda t: t.half()),
    "torch float64": _torch(lambda t: t.double()),
    "torch with a gradient": _torch(lambda t: t.requires_grad_(True)),
    "torch bf16 with a gradient": _torch(lambda t: t.bfloat16().requires_grad_(True)),
    "torch sparse": _torch(lambda t: t.to_sparse()),
    "a list of torch": _torch(list),
    "a list of torch bf16 with gradients": _torch(lambda t: list(t.bfloat16().requires_grad_(True))),
}

ODD: dict[str, Callable[[np.ndarray], Any]] = {
    "None": lambda v: None,
    "a dictionary": lambda v: {"dense_vecs": v},
    "a generator": iter,
    "text": lambda v: "vectors",
    "rows of text": lambda v: [["a", "b"] for _ in v],
    "ragged rows": lambda v: [[1.0] * (1 + row % 2) for row in range(len(v))],
    "one row": lambda v: v[0],
    "a row too many": lambda v: np.vstack([v, v[:1]]),
    "no columns": lambda v: v[:, :0],
    "three axes": lambda v: v[None],
    "whole numbers": lambda v: v.astype(np.int8),
    "truth values": lambda v: v > 0,
    "complex numbers": lambda v: v.astype(np.complex64),
    "NaN": lambda v: v * np.nan,
    "masked numbers": lambda v: np.ma.masked_array(v, mask=np.ones(v.shape, bool)),
    "infinity": lambda v: v * np.inf,
    "zeros": lambda v: v * 0,
    "objects that are no numbers": lambda v: np.full(v.shape, object()),
    "torch whole numbers": _torch(lambda t: t.int()),
    "ragged torch": _torch(lambda t: [row[: 1 + place % 2] for place, row in enumerate(t)]),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_vectors_of_every_plain_type_are_taken_as_they_are_meant(kind: str, make_pool: Callable[[], Pool]) -> None:
    pool = make_pool()
    expected = encode_items(Returns(lambda v: v), pool, "query").vectors
    assert encode_items(Returns(PLAIN[kind]), pool, "query").vectors == pytest.approx(expected, abs=4e-3)


@pytest.mark.parametrize("kind", ODD)
def test_invalid_vectors_are_rejected_in_one_sentence(kind: str, make_pool: Callable[[], Pool]) -> None:
    with pytest.raises(BadEncoder, match=r"^returns (returned|failed on) .*(de|en|zh)") as caught:
        score_pool(Returns(ODD[kind]), make_pool())
    assert "\n" not in str(caught.value)


def test_dimensions_that_differ_by_role_are_refused(make_pool: Callable[[], Pool]) -> None:
    class ByRole(Returns):
        def encode(self, texts: Sequence[str], role: Role) -> Any:
            return np.ones((len(texts), 4 if role == "query" else 8))

    with pytest.raises(BadEncoder, match="of dimension 4 for queries and 8 for passages"):
        score_pool(ByRole(print), make_pool())


@pytest.mark.parametrize(
    "counts", [None, 3, [1.0, 2.0], [[1]], ["1"], -np.ones(99, int), np.ones(99), [[1, 2], [3]]], ids=repr
)
@pytest.mark.parametrize("use", [lambda m, p: encode_items(m, p, "query"), lambda m, p: plan_run(m, p, None)])
def test_invalid_token_counts_are_rejected(counts: Any, use: Any, make_pool: Callable[[], Pool]) -> None:
    class Counts(Returns):
        def count_tokens(self, texts: Sequence[str], role: Role) -> Any:
            return counts[: len(texts)] if isinstance(counts, np.ndarray) else counts

    with pytest.raises(BadEncoder, match=r"returns(: count_tokens returned| failed to count tokens)"):
        use(Counts(lambda v: v), make_pool())


RAISING = [
    "1 / 0",
    "{}['key']",
    "[][3]",
    "raise RuntimeError('two\\nlines')",
    "raise SystemExit(3)",
    "assert False",
    "x",
]
WRITTEN = """
class Encoder:
    def encode(self, texts, role):
        {encode}
        return [[1.0, 2.0] for text in texts]
    {count}
def make():
    {factory}
    return Encoder()
{module}
"""


@pytest.mark.parametrize("statement", RAISING)
@pytest.mark.parametrize("place", ["module", "factory"])
def test_code_that_raises_while_it_is_loaded_is_named_by_file_and_line(place: str, statement: str, make: Make) -> None:
    parts = {"encode": "", "factory": "", "count": "", "module": "", place: statement}
    with pytest.raises(BadEncoder) as caught:
        make(WRITTEN.format(**parts))
    line = {"module": 10, "factory": 8}[place]
    assert re.search(rf"\(written_\d+\.py:{line}: {re.escape(statement)}\)$", str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("statement", RAISING)
@pytest.mark.parametrize("use", [score_pool, lambda model, pool: plan_run(model, pool, None)])
def test_code_that_raises_while_it_encodes_is_named_by_file_and_line(
    statement: str, use: Callable[..., Any], make: Make, make_pool: Callable[[], Pool]
) -> None:
    count = "def count_tokens(self, texts, role): return [len(text) for text in texts]"
    model = make(WRITTEN.format(encode=statement, factory="", count=count, module=""))
    with pytest.raises(BadEncoder, match=r"failed on .*'(question|text) \d (de|en|zh)'") as caught:
        use(model, make_pool())
    assert re.search(rf"\(written_\d+\.py:4: {re.escape(statement)}\)$", str(caught.value))
    model = make(WRITTEN.format(encode="", factory="", count=f"def count_tokens(self, *_): {statement}", module=""))
    with pytest.raises(BadEncoder, match=r"failed to count tokens\. .*\(written_\d+\.py:6: def count_tokens"):
        use(model, make_pool())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def make(:", r"cannot be imported. SyntaxError: .*written_\d+.py, line 1"),
        ("import nothing_of_that_name", r"No module named 'nothing_of_that_name' \(written_\d+.py:1: import"),
        ("make = 3", "has no function make"),
        ("def make(size): ...", r"make\(\) failed. TypeError: .*missing 1 required positional argument"),
        ("def make(): ...", "returned an object of type NoneType, which has no method encode"),
        (
            "def make(): return Encoder\nclass Encoder:\n  def encode(self, texts, role): ...",
            "returned the class",
        ),
        ("def make(): return E()\nclass E:\n  card = {}\n  def encode(*_): ...", "card is an object of type dict"),
    ],
)
def test_a_module_without_an_encoder_is_reported_in_one_sentence(source: str, message: str, make: Make) -> None:
    with pytest.raises(BadEncoder, match=message):
        make(source)


@given(st.text(max_size=30), st.sampled_from([ValueError, OSError, RecursionError, UnicodeError]))
@settings(deadline=None)
def test_any_exception_is_reported_on_one_plain_line(said: str, kind: type[Exception]) -> None:
    shown = str(PanglotError(spelled(kind(said * 40))))
    assert shown.isprintable()
    assert len(shown) < 4000


def test_an_exception_that_cannot_say_what_it_is_is_named_by_its_type() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert spelled(Mute()) == "Mute"


def test_only_methods_of_the_encoder_that_are_known_are_seen(make: Make) -> None:
    model = make(
        "class Encoder:\n"
        "    scores = members = fuse = 3\n"
        "    def encode(self, texts, role): return [[len(text), 1.0] for text in texts]\n"
        "    def count_tokens(self, texts, role): return [len(text) for text in texts]\n"
        "make = Encoder"
    )
    assert isinstance(model, CountsTokens)
    assert not isinstance(model, SeesImages)
    assert not hasattr(model, "scores")


BARE = """
from pathlib import Path
class Encoder:
    {card}
    def encode(self, texts, role):
        weight = float(Path("weight").read_text())
        return [[len(text), weight] for text in texts]
make = Encoder
"""
CARD = "from panglot.encode.card import ModelCard; card = ModelCard(name='own', revision='7', library='none')"


@pytest.mark.parametrize(("card", "reused"), [("", False), (CARD, True), (CARD.replace("'7'", "'unknown'"), False)])
def test_vectors_are_reused_by_another_run_only_if_a_card_states_a_revision(
    card: str, reused: bool, make: Make, make_pool: Callable[[], Pool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, cache = make_pool(), VectorCache(tmp_path / "cache")
    (tmp_path / "weight").write_text("1", encoding="utf-8")
    model = make(BARE.format(card=card))
    assert bool(find_unpinned(model)) is not reused
    assert encode_items(model, pool, "query", cache).fresh == 9
    assert encode_items(model, pool, "query", cache).fresh == 0, "Within a run everything is reused."
    (tmp_path / "weight").write_text("2", encoding="utf-8")
    monkeypatch.setattr("panglot.encode.cache.PROCESS", "another")
    assert encode_items(model, pool, "query", cache).fresh == (0 if reused else 9)


def test_weights_beside_a_module_that_change_change_the_scores(tmp_path: Path) -> None:
    """The whole command, twice; what the first run kept of its vectors is gone."""
    (tmp_path / "leaning.py").write_text(BARE.format(card=""), encoding="utf-8")
    found = []
    for weight in ("1", "100"):
        (tmp_path / "weight").write_text(weight, encoding="utf-8")
        done = panglot_process("run", "py:leaning:make", "--languages", "de,en", "--cache", "cache", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "later runs will not reuse its vectors" in " ".join(done.stdout.split())
        assert not list((tmp_path / "cache").rglob("*.npz"))
        (result,) = (tmp_path / "submissions").glob("*/starter*.json")
        found.append(json.loads(result.read_text(encoding="utf-8"))["settings"])
    assert found[0] != found[1]


def test_arrays_of_numpy_pass_as_they_are() -> None:
    assert as_array(VECTORS) is VECTORS
