"""`import panglot`: the names that it promises, and a run from Python that equals one from the command line."""

from __future__ import annotations

import ast
import inspect
import json
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import panglot
from panglot.api import ModelOptions
from panglot.cli.commands.run import run as run_command
from panglot.encode.options import Options
from panglot.errors import BadEncoder, BadResult, MissingExtra
from tests.helpers.command import panglot as command
from tests.helpers.documents import blocks
from tests.helpers.processes import python

PUBLIC = {
    "Comparison",
    "Encoder",
    "Evidence",
    "ModelCard",
    "PanglotError",
    "Pool",
    "Result",
    "Score",
    "Standings",
    "Task",
    "compare",
    "load_model",
    "load_pool",
    "load_task",
    "rank",
    "read_result",
    "run",
}
"""What others build on: a name that goes, or changes its meaning, breaks their code."""

OF_THE_COMMAND = {"model", "tasks", "split_", "detect", "suite", "out", "matrix", "retry_failed", "as_json"}
"""Parameters of the verb that say what is measured, or what is written and shown. Paths take `?split=…&detect=…`."""

OF_PYTHON = {"model", "task", "progress", "options"}


class Letters:
    """An encoder without a card."""

    def __init__(self, letters: str) -> None:
        self.letters = letters

    def encode(self, texts: list[str], role: str) -> np.ndarray:
        return np.array([[text.count(letter) + 1.0 for letter in self.letters] for text in texts])


@pytest.fixture(scope="module")
def result() -> panglot.Result:
    return panglot.run("use-multilingual", "starter", languages=["de", "en"])


@pytest.fixture(scope="module")
def other() -> panglot.Result:
    return panglot.run("bm25", "starter", languages=["de", "en"])


def test_public_names_are_these_and_each_is_there() -> None:
    assert set(panglot.__all__) == PUBLIC
    assert set(dir(panglot)) >= PUBLIC | {"__version__"}
    for name in PUBLIC:
        assert getattr(panglot, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = panglot.no_such_name


def test_type_checkers_see_every_public_name() -> None:
    """They do not run `__getattr__`; they read the imports that stand under TYPE_CHECKING."""
    tree = ast.parse(Path(panglot.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    for name in PUBLIC:
        assert getattr(import_module(str(seen[name])), name) is getattr(panglot, name), name


def test_import_loads_nothing_but_itself() -> None:
    code = "import sys, panglot; print([m for m in sys.modules if m.partition('.')[0] in ('panglot', 'numpy', 'rich')])"
    assert python(code).stdout == "['panglot']\n"


def test_functions_read_the_data_folder_that_they_are_given(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pool = panglot.load_pool("xquad-r", languages="en,de", data_dir=data_dir)
    measured = panglot.run("random", "xquad-r", languages="en,de", data_dir=str(data_dir))
    assert measured.record.task.fingerprint == pool.fingerprint
    with pytest.raises(panglot.PanglotError, match=r"ar\.json does not exist"):
        panglot.load_pool("xquad-r", data_dir=tmp_path)


def test_run_takes_the_options_of_the_command_line() -> None:
    verb, function = (inspect.signature(run).parameters for run in (run_command, panglot.run))
    options = inspect.signature(Options).parameters
    assert (set(function) - OF_PYTHON) | set(options) == set(verb) - OF_THE_COMMAND
    assert {name: option.default for name, option in options.items()} == {name: verb[name].default for name in options}
    for name in set(function) - OF_PYTHON - {"languages", "dims", "quantise"}:
        assert function[name].default == verb[name].default, name


def test_the_options_of_a_model_are_typed_documented_and_checked() -> None:
    options = list(inspect.signature(Options).parameters)
    assert list(get_type_hints(ModelOptions)) == options
    assert [name for name in options if f"`{name}`" not in str(panglot.load_model.__doc__)] == []
    for call in (panglot.load_model, panglot.run):
        with pytest.raises(panglot.PanglotError, match=r"Unknown option 'truncate_dims'\. Did you mean truncate_dim\?"):
            call("random", truncate_dims=8)  # type: ignore[operator]


def test_run_gives_what_the_command_writes(result: panglot.Result, tmp_path: Path) -> None:
    done = command("run", "use-multilingual", "--languages", "de,en", "--out", str(tmp_path / "verb"), "--json")
    assert done.returncode == 0, done.stderr
    (printed,) = json.loads(done.stdout)
    assert {name: score.value for name, score in result.scores["mono"].items()} == pytest.approx(
        printed["scores"]["mono"]
    )
    path = result.save(tmp_path / "python")
    written = tmp_path / "verb" / path.relative_to(tmp_path / "python")
    for suffix in (".evidence.parquet", ".top10.parquet", ".top100.parquet"):
        assert path.with_suffix(suffix).read_bytes() == written.with_suffix(suffix).read_bytes(), suffix


def test_result_has_scores_bias_and_evidence(result: panglot.Result) -> None:
    score = result.scores["mono"]["map"]
    assert isinstance(score, panglot.Score)
    assert score.low is not None
    assert score.high is not None
    assert score.low <= score.value <= score.high
    assert set(result.scores) == {"mono", "cross", "multi", "balance"}
    assert result.bias["same_language_ratio@10"].value > 0
    assert result.evidence.languages == ("de", "en")
    assert repr(result).startswith("<Result of use-multilingual@0.2.1 on starter: map mono .949, cross .9")


def test_saved_result_reads_back_with_its_evidence(result: panglot.Result, tmp_path: Path) -> None:
    again = panglot.read_result(result.save(tmp_path))
    assert again.scores["multi"]["ndcg@10"] == pytest.approx(result.scores["multi"]["ndcg@10"])
    assert (again.evidence.above == result.evidence.above).all()
    assert again.evidence is again.evidence
    for file in tmp_path.glob("*/*.parquet"):
        file.unlink()
    with pytest.raises(BadResult, match="handed in without evidence"):
        _ = panglot.read_result(next(tmp_path.glob("*/*.json"))).evidence


def test_frame_has_a_row_for_each_score(result: panglot.Result) -> None:
    frame = result.to_frame()
    assert list(frame.columns) == ["setting", "query", "candidate", "metric", "value", "low", "high"]
    assert not frame.duplicated(["setting", "query", "candidate", "metric"]).any()
    overall = frame[(frame["query"] == "*") & (frame["candidate"] == "*")].set_index(["setting", "metric"])["value"]
    for setting, scores in (*result.scores.items(), ("bias", result.bias)):
        for metric, score in scores.items():
            assert overall[setting, metric] == score.value
    pairs = frame[(frame["setting"] == "cross") & (frame["query"] != "*") & (frame["candidate"] != "*")]
    assert {*zip(pairs["query"], pairs["candidate"], strict=True)} == {("de", "en"), ("en", "de")}
    means = pairs.groupby("metric")["value"].mean()
    assert means["map"] == pytest.approx(overall["cross", "map"])
    own = frame[(frame["setting"] == "mono") & (frame["query"] == "de") & (frame["metric"] == "map")]
    assert list(own["candidate"]) == ["de"]


def test_frame_without_pandas_names_the_extra(result: panglot.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.errors.find_spec", lambda module: None)
    with pytest.raises(MissingExtra, match=r"pip install 'panglot\[pandas\]'"):
        result.to_frame()


def test_compare_equals_the_command(result: panglot.Result, other: panglot.Result, tmp_path: Path) -> None:
    paths = [str(each.save(tmp_path)) for each in (other, result)]
    done = command("compare", *paths, "--json")
    assert done.returncode == 0, done.stderr
    (printed,) = json.loads(done.stdout)
    comparison = panglot.compare(other, result)
    assert (
        comparison.sentence
        == printed["sentence"]
        == "use-multilingual@0.2.1 is better in mono, cross, multi and balance."
    )
    p = [row["p_holm"] for row in printed["settings"].values()]
    assert comparison.by_setting.adjusted.tolist() == pytest.approx(p)
    assert comparison.models == ("bm25@0.3.16", "use-multilingual@0.2.1")
    only = panglot.compare(*paths, setting="cross", language="de", metric="ndcg@10")
    assert (only.settings, only.query_languages, only.metric) == (("cross",), ("de",), "ndcg@10")


def test_compare_narrows_the_result_in_more_languages(result: panglot.Result, other: panglot.Result) -> None:
    whole = panglot.run("bm25", "starter")
    narrow, full = panglot.compare(result, other), panglot.compare(result, whole)
    for name in ("one", "other", "low", "high", "p"):
        assert (getattr(narrow.by_setting, name) == getattr(full.by_setting, name)).all(), name
    assert panglot.compare(whole, result).languages == ("de", "en")
    with pytest.raises(BadResult, match="A was asked in de, en, B in en, es"):
        panglot.compare(result, panglot.run("bm25", "starter", languages=["es", "en"]))


def test_rank_takes_results_and_paths(result: panglot.Result, other: panglot.Result, tmp_path: Path) -> None:
    other.save(tmp_path)
    result.save(tmp_path)
    standings = panglot.rank(tmp_path)
    assert [model.name for model in standings.models] == ["use-multilingual@0.2.1", "bm25@0.3.16"]
    for mixed in ([result, other], [result, *tmp_path.glob("bm25@*/*.json")]):
        again = panglot.rank(mixed)
        assert (again.models, again.task) == (standings.models, "starter")
    broken = tmp_path / "random@1" / "starter.json"
    broken.parent.mkdir()
    broken.write_text("{}", encoding="utf-8")
    assert list(panglot.rank(str(tmp_path)).left_out) == [str(broken)]


class TestObjects:
    """Any object with `encode(texts, role)` is a model."""

    def test_two_objects_of_one_class_share_no_vectors(self) -> None:
        one, other = (panglot.run(Letters(letters), languages=["de", "en"]) for letters in ("aeinorst", "xyzqw"))
        assert one.scores["multi"]["map"] != other.scores["multi"]["map"]
        assert one.model.name == "Letters"

    def test_vectors_of_an_object_without_a_revision_are_not_kept(self, tmp_path: Path) -> None:
        panglot.run(Letters("abc"), languages=["de"], cache=tmp_path / "cache")
        assert not (tmp_path / "cache").exists()

    def test_its_card_is_recorded_and_its_vectors_kept(self, tmp_path: Path) -> None:
        encoder: Any = Letters("abcde")
        encoder.card = panglot.ModelCard(name="mine", revision="7", library="numpy 2", similarity="dot")
        result = panglot.run(encoder, languages=["de", "en"], cache=tmp_path)
        assert result.model == encoder.card
        assert list(tmp_path.glob("mine.query.*/*.npz"))

    @pytest.mark.parametrize(
        ("model", "options", "message"),
        [
            (Letters, {}, r"the class Letters. Expected an object with encode\(texts, role\)"),
            (object(), {}, r"an object of type object, which has no method encode"),
            (
                Letters("a"),
                {"query_prompt": "q: "},
                "--query-prompt applies to models that are loaded by name. Set it on the Letters object",
            ),
        ],
    )
    def test_what_cannot_encode_is_refused(self, model: Any, options: dict[str, Any], message: str) -> None:
        with pytest.raises(BadEncoder, match=message):
            panglot.run(model, **options)

    def test_a_loaded_model_can_be_run(self, result: panglot.Result) -> None:
        model = panglot.load_model("use-multilingual")
        assert panglot.run(model, languages="de,en").scores == result.scores


class TestErrors:
    """They are those of the command line."""

    @pytest.mark.parametrize(
        ("arguments", "options"),
        [
            (["no-such-model"], {}),
            (["random", "--tasks", "startr"], {"task": "startr"}),
            (["random", "--languages", "xx"], {"languages": ["xx"]}),
            (["random", "--tasks", "./none"], {"task": Path("./none")}),
            (["random", "--quantise", "int4"], {"quantise": ["int4"]}),
            (["random", "--debias", "centrr"], {"debias": "centrr"}),
            (["bm25", "--max-length", "3"], {"max_length": 3}),
        ],
    )
    def test_messages_are_the_same(self, arguments: list[str], options: dict[str, Any], tmp_path: Path) -> None:
        options = {key: f"./{value}" if isinstance(value, Path) else value for key, value in options.items()}
        with pytest.raises(panglot.PanglotError) as raised:
            panglot.run(arguments[0], **options)
        done = command("run", *arguments, "--out", str(tmp_path))
        assert done.returncode == 2
        assert str(raised.value) in done.stderr

    def test_an_option_of_the_wrong_kind_is_named(self) -> None:
        with pytest.raises(BadEncoder, match="precision"):
            panglot.load_model("random", precision="fp64")  # type: ignore[arg-type]
        with pytest.raises(panglot.PanglotError, match="positive whole numbers, not -8"):
            panglot.run("random", dims=[16, -8])

    def test_a_name_of_several_tasks_is_refused(self) -> None:
        with pytest.raises(panglot.PanglotError, match="emoji matches several tasks: emoji-t2i, emoji-i2t"):
            panglot.load_task("emoji")

    def test_nothing_to_rank(self) -> None:
        with pytest.raises(BadResult, match="There is no result to rank"):
            panglot.rank([])


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """The folder of data of one's own that the documentation shows: two questions in two languages."""
    page = Path(__file__).parents[1] / "docs" / "add-a-task.md"
    for block in blocks(page):
        if block.title and block.title.startswith("animals/"):
            path = tmp_path / block.title
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    return tmp_path / "animals"


class TestOwnData:
    """A folder of one's own is a task."""

    def test_its_pool_can_be_read(self, animals: Path) -> None:
        pool = panglot.load_pool(animals)
        assert (pool.languages, len(pool.queries), len(pool.candidates)) == (("de", "en"), 4, 4)
        assert panglot.load_pool(panglot.load_task(animals), languages="de").languages == ("de",)

    def test_scores_of_two_questions_have_no_interval(self, animals: Path) -> None:
        frame = panglot.run("bm25", animals).to_frame()
        assert frame["value"].notna().all()
        assert frame["low"].isna().all()
        assert frame["low"].dtype == float
