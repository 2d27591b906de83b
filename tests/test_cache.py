"""The vector cache and the runner over it: nothing is lost, nothing is mixed, nothing damaged is used."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import sys
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.budget import TokenBudget
from panglot.encode.cache import UNCOUNTED, VectorCache
from panglot.encode.card import ModelCard
from panglot.encode.vectors import encode_items
from panglot.errors import BadData, PanglotError
from panglot.evaluate.shards.checkpoint import Checkpoint
from tests.helpers.counting import Counting, Lengths
from tests.helpers.processes import completed, python
from tests.helpers.required import absent

SLOW = '''
"""An encoder that takes its time, so that it can be killed at any point of it, and writes down what it was asked."""
import hashlib, os, time
import numpy as np
from panglot.encode.card import ModelCard

class Slow:
    card = ModelCard(name="slow", revision="1", library="none")

    def encode(self, texts, role):
        time.sleep(0.0005 * len(texts))
        with open(os.environ["ASKED"], "a", encoding="utf-8") as file:
            file.write("".join(f"{role} {hashlib.md5(text.encode()).hexdigest()}\\n" for text in texts))
        return np.array([[hash_of(text, n) for n in range(8)] for text in texts])

def hash_of(text, n):
    return hashlib.md5(f"{n}{text}".encode()).digest()[0] + 1.0

make = Slow
'''

COMMAND = """
import sys
import panglot.encode.encoding, panglot.encode.batches
panglot.encode.batches.BATCH_TEXTS, panglot.encode.encoding.SHARD_TEXTS = 16, 64
from panglot.cli.main import main
main()
"""

DRIVER = """
import os, random, signal, sys, time
from pathlib import Path
import panglot.encode.batches, panglot.encode.encoding, panglot.evaluate.run
panglot.encode.batches.BATCH_TEXTS, panglot.encode.encoding.SHARD_TEXTS = 16, 64
from panglot.cli.main import main

def start(log, out):
    child = os.fork()
    if child == 0:
        os.environ["ASKED"] = log
        sys.argv = ["panglot", "run", "py:slow:make", "--cache", "vectors", "--out", out]
        main()
        sys.exit()
    return child

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def asked(log):
    return Path(log).read_bytes().count(10) if Path(log).exists() else 0

"""
"""Starts the command as often as it is told, in processes that share their imports."""

KILLED = """
assert ended(start("asked-whole", "whole")) == 0
for path in Path("vectors").rglob("*.npz"):
    path.unlink()
chance = random.Random(8)
for _ in range(10):
    child, enough = start("asked-killed", "out"), asked("asked-killed") + chance.randint(1, 140)
    while asked("asked-killed") < enough:
        time.sleep(chance.uniform(0.0005, 0.002))
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
assert ended(start("asked-killed", "out")) == 0
"""


@pytest.fixture
def pool() -> Pool:
    texts = [f"text {'x' * (n % 7)} {n}" for n in range(100)]
    return Pool.of(
        ("en",),
        [Query(f"q{n}", text, "en", f"{n}") for n, text in enumerate(texts[:10])],
        [Candidate(f"c{n}", text, "en") for n, text in enumerate(texts)],
        [Judgement(f"q{n}", f"c{n}") for n in range(10)],
    )


def _card(**changed: object) -> ModelCard:
    return ModelCard.model_validate({"name": "org/model", "revision": "1", "library": "x 1", **changed})


def test_cached_texts_are_not_encoded_again(pool: Pool, tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    first = encode_items(Lengths(), pool, "passage", cache)
    encoder = Lengths()
    second = encode_items(encoder, pool, "passage", cache)
    assert (first.fresh, second.fresh, second.texts, encoder.asked) == (100, 0, 100, [])
    assert (first.vectors == second.vectors).all()
    query = encode_items(encoder, pool, "query", cache)
    assert (query.fresh, {role for role, _ in encoder.asked}) == (10, {"query"})


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "org/other"},
        {"revision": "2"},
        {"library": "x 2"},
        {"dimension": 2},
        {"max_length": 3},
        {"precision": "bf16"},
        {"prompts": {"query": "query: "}},
        {"similarity": "dot"},
        {"backend": "openvino"},
        {"trust_remote_code": True},
    ],
)
def test_setting_that_changes_vectors_changes_the_shelf(changed: dict[str, object], tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    assert cache.shelf(_card(), "query").folder != cache.shelf(_card(**changed), "query").folder


def test_setting_that_changes_no_vector_keeps_the_shelf(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    same = _card(note="else", licence="MIT", parameters=3, prompts={"passage": "passage: "})
    assert cache.shelf(_card(), "query").folder == cache.shelf(same, "query").folder
    assert cache.shelf(_card(), "passage").folder != cache.shelf(_card(), "query").folder


def test_model_name_never_becomes_a_path(tmp_path: Path) -> None:
    shelf = VectorCache(tmp_path).shelf(_card(name="../../" + "x/" * 200), "query")
    assert shelf.folder.parent == tmp_path
    shelf.add(["a"], np.ones((1, 2)), np.array([UNCOUNTED]))
    assert shelf.find(["a"]) is not None


def test_damaged_shard_is_encoded_again(pool: Pool, tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    expected = encode_items(Lengths(), pool, "passage", cache)
    shelf = next(cache.shelves())
    shard = shelf.shards()[0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert shelf.damaged() == [shard]
    again = encode_items(Lengths(), pool, "passage", cache)
    assert again.fresh == 100
    assert (again.vectors == expected.vectors).all()
    assert shelf.damaged() == []


@pytest.mark.parametrize("shape", [(3, 1), (3, 7), (2, 4), (3,), (3, 4, 1)])
def test_shard_of_another_shape_is_encoded_again(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Its checksum holds, as that of a file from another program or version would."""
    shelf = VectorCache(tmp_path).shelf(_card(dimension=4), "query")
    texts = ["a", "b", "c"]
    shelf.add(texts, np.ones((3, 4)), np.array([UNCOUNTED] * 3))
    (whole,) = shelf.shards()
    with np.load(whole) as arrays:
        content = {**arrays, "vectors": np.ones(shape, np.float32)}
    whole.unlink()
    buffer = io.BytesIO()
    np.savez(buffer, **content)
    (shelf.folder / f"{hashlib.sha256(buffer.getvalue()).hexdigest()}.npz").write_bytes(buffer.getvalue())
    assert shelf.find(texts) is None
    shelf.add(texts, np.ones((3, 4)), np.array([UNCOUNTED] * 3))
    found = shelf.find(texts)
    assert found is not None
    assert found.there.all()


def _archive(**content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in content.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


def _header(shape: str) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


UNREADABLE = {
    "empty": b"",
    "text": b"not an archive",
    "a single array": _npy(),
    "an archive without arrays": _archive(),
    "members that are not arrays": _archive(keys=b"k", vectors=b"v", tokens=b"t"),
    "a claim of terabytes": _archive(keys_npy=_header(f"({1 << 44}, 16)")),
    "a header that ends early": _archive(keys_npy=_header("((((")),
    "scalars": _archive(
        keys_npy=_header("()") + b"1", vectors_npy=_header("()") + b"1", tokens_npy=_header("()") + b"1"
    ),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_shard_with_valid_checksum_is_encoded_again(content: bytes, tmp_path: Path) -> None:
    shelf = VectorCache(tmp_path).shelf(_card(dimension=4), "query")
    shelf.add(["a"], np.ones((1, 4)), np.array([UNCOUNTED]))
    (whole,) = shelf.shards()
    whole.unlink()
    odd = shelf.folder / f"{hashlib.sha256(content).hexdigest()}.npz"
    odd.write_bytes(content)
    assert shelf.find(["a"]) is None
    assert not odd.exists() or shelf.damaged() == [odd]


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_checkpoint_is_reported_as_damaged(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.npz"
    path.write_bytes(content)
    with pytest.raises(BadData, match="is damaged"):
        Checkpoint(path, "fingerprint").read()


@pytest.mark.parametrize("facts", [b"[]", b'"text"', b"{}", b'{"names": []}', b'{"fingerprint": "", "done": 1}'])
def test_checkpoint_without_its_facts_is_reported_as_damaged(facts: bytes, tmp_path: Path) -> None:
    path, none = tmp_path / "odd.npz", np.zeros(0, np.int64)
    np.savez(path, facts=np.frombuffer(facts, np.uint8), named=none, above=none, number=none, score=none)
    with pytest.raises(BadData, match="is damaged"):
        Checkpoint(path, "fingerprint").read()


def test_simulated_full_disk_is_reported_and_cache_stays_valid(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = VectorCache(tmp_path)
    encode_items(Lengths(), pool, "query", cache)
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        write(path, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PanglotError, match=r"cache .* is full.*prune.*--no-cache"):
        encode_items(Lengths(), pool, "passage", cache)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.unfinished"))
    assert encode_items(Lengths(), pool, "query", cache).fresh == 0
    assert encode_items(Lengths(), pool, "passage", cache).fresh == 100


FULL = """
mount -t tmpfs -o size=32k none vectors || exit 99
"$0" -c "$1" run py:slow:make --cache vectors --out out
code=$?
ls vectors/*/*.npz && "$0" -m panglot cache verify --cache vectors || exit 98
exit $code
"""


def test_full_disk_is_reported_and_cache_stays_valid(slow: Path) -> None:
    """A file system of 32 KiB, mounted where nobody else sees it."""
    (slow / "vectors").mkdir()
    done = completed(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", FULL, sys.executable, COMMAND],
        cwd=slow,
        env={**os.environ, "ASKED": str(slow / "asked")},
    )
    if done.returncode in (1, 99):
        absent(f"File systems cannot be mounted here: {done.stderr}")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "is full. Existing entries remain valid" in done.stdout + done.stderr


class Prompted(Lengths):
    """Its vectors hold the length of the prompt."""

    def __init__(self, name: str, query: str) -> None:
        super().__init__()
        self.card = _card(name=name, prompts={"query": query, "passage": "passage: "})

    def encode(self, texts: list[str], role: str) -> np.ndarray:
        prompt = self.card.prompts[role]
        return np.array([[len(prompt), len(text), ord(self.card.name[-1])] for text in texts], np.float64)


def test_one_text_with_two_prompts_has_two_vectors_with_and_without_the_cache(pool: Pool, tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    for _ in range(2):
        for role in ("query", "passage"):
            with_cache = encode_items(Prompted("a", "q: "), pool, role, cache).vectors
            assert (with_cache == encode_items(Prompted("a", "q: "), pool, role).vectors).all()
    queries, passages = (encode_items(Prompted("a", "q: "), pool, role, cache).vectors for role in ("query", "passage"))
    assert pool.queries.texts[0] == pool.candidates.texts[0]
    assert (queries[0] != passages[0]).any()


def test_two_models_of_one_dimension_are_never_mixed(pool: Pool, tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    models = [Prompted("a", "q: "), Prompted("b", "q: "), Prompted("b", "question: ")]
    for model in [*models, *models]:
        found = encode_items(model, pool, "query", cache).vectors
        assert (found == encode_items(model, pool, "query").vectors).all()
    assert len(list(cache.shelves())) == 3


def test_an_encoder_that_fails_keeps_what_it_did_before(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panglot.encode.batches.BATCH_TEXTS", 10)

    def fail_on_the_last(vectors: np.ndarray, texts: list[str]) -> np.ndarray:
        return np.full_like(vectors, np.nan) if "text  0" in texts else vectors

    with pytest.raises(PanglotError, match="NaN"):
        encode_items(Lengths(fail_on_the_last), pool, "passage", VectorCache(tmp_path))
    assert encode_items(Lengths(), pool, "passage", VectorCache(tmp_path)).fresh == 10


def test_batches_hold_a_budget_of_tokens(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.encode.batches.TokenBudget", partial(TokenBudget, fixed=30))
    encoder = Counting()
    encoded = encode_items(encoder, pool, "passage")
    assert set(encoded.tokens.tolist()) == {2, 3}
    assert max(encoder.batches) <= 15
    assert sum(encoder.batches) == 100


def test_batch_that_exceeds_memory_is_halved(pool: Pool) -> None:
    encoder = Counting(memory=9)
    expected = encode_items(Counting(), pool, "passage").vectors
    assert (encode_items(encoder, pool, "passage").vectors == expected).all()
    assert max(encoder.batches) <= 9
    with pytest.raises(PanglotError, match="out of memory"):
        encode_items(Counting(memory=0), pool, "passage")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    return tmp_path


def _result(folder: Path) -> dict[str, object]:
    path = next(folder.glob("*/starter.json"))
    return {name: value for name, value in json.loads(path.read_text(encoding="utf-8")).items() if name != "run"}


def _run(folder: Path, program: str) -> None:
    python(DRIVER + program, cwd=folder)


def test_run_killed_at_ten_moments_resumes_where_it_was(slow: Path) -> None:
    """Kill -9, again and again: the same result, and no kill costs more than a shard of each role."""
    _run(slow, KILLED)
    assert _result(slow / "out") == _result(slow / "whole")
    asked = Counter((slow / "asked-killed").read_text(encoding="utf-8").splitlines())
    wanted = set((slow / "asked-whole").read_text(encoding="utf-8").splitlines())
    assert set(asked) == wanted
    assert sum(asked.values()) - len(wanted) <= 10 * (64 + 16)


def test_two_runs_share_a_cache(slow: Path) -> None:
    _run(slow, "assert [ended(child) for child in [start('asked-0', 'out-0'), start('asked-1', 'out-1')]] == [0, 0]\n")
    assert _result(slow / "out-0") == _result(slow / "out-1")
    _run(slow, "assert ended(start('asked-third', 'out-third')) == 0")
    assert _result(slow / "out-third") == _result(slow / "out-0")
    assert not (slow / "asked-third").exists()
