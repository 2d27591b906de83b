"""Runs of several tasks, plans, curves and the verbs of the cache, as a person types them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from panglot.cli.names import find_tasks
from panglot.data.pool import Pool
from panglot.encode.budget import TokenBudget
from panglot.encode.cache import VectorCache
from panglot.encode.load import load_model
from panglot.encode.scoring import reduced
from panglot.encode.tokenization import reading_by_language
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder, PanglotError
from panglot.evaluate.plan import plan_run
from panglot.evaluate.run import run
from panglot.results.result_record import read_result_record
from tests.helpers.command import panglot
from tests.helpers.counting import Counting
from tests.helpers.processes import python
from tests.helpers.tasks import TASKS

SOMETIMES = '''
"""An encoder that fails on the starter set as long as a file says so."""
import pathlib
import numpy as np

class E:
    def encode(self, texts, role):
        if pathlib.Path("fail").exists() and any("panal" in text for text in texts):
            raise KeyError("panal")
        return np.array([[len(text), text.count("a") + 1.0] for text in texts])

make = E
'''


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with data of one's own and a module with an encoder beside it."""
    (tmp_path / "sometimes.py").write_text(SOMETIMES, encoding="utf-8")
    folder = tmp_path / "bees"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "Bees dance.", "language": "en"}\n', encoding="utf-8")
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "Who?", "language": "en"}\n', encoding="utf-8")
    (folder / "qrels.tsv").write_text("q\ta\t1\n", encoding="utf-8")
    return tmp_path


def test_failed_task_keeps_the_others_and_can_be_retried(own: Path) -> None:
    (own / "fail").touch()
    done = panglot("run", "py:sometimes:make", "--tasks", "starter,bees", "--out", "out", cwd=own)
    assert done.returncode == 2
    assert "starter failed: py:sometimes:make failed on es:1:1 (es)" in done.stdout
    assert "bees.json" in done.stdout
    folder = next((own / "out").iterdir())
    assert {path.name for path in folder.iterdir() if not path.name.endswith(".parquet")} == {
        "bees.json",
        "starter.failed.log",
    }
    assert "KeyError: 'panal'" in (folder / "starter.failed.log").read_text(encoding="utf-8")
    (own / "fail").unlink()
    again = panglot("run", "py:sometimes:make", "--tasks", "starter,bees", "--out", "out", "--retry-failed", cwd=own)
    assert again.returncode == 0, again.stderr
    assert "starter.json" in again.stdout
    assert "bees.json" not in again.stdout
    assert not (folder / "starter.failed.log").exists()


def test_curve_comes_from_one_encoding(tmp_path: Path) -> None:
    options = ["--dims", "64", "--quantise", "int8,binary", "--out", "out"]
    done = panglot("run", "use-multilingual", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fewer dimensions or bits" in done.stdout
    result = json.loads(next((tmp_path / "out").rglob("starter.json")).read_text(encoding="utf-8"))
    points = {(point["form"], point["dimension"]): point["scores"] for point in result["curve"]}
    assert set(points) == {(form, dim) for form in ("float32", "int8", "binary") for dim in (64, 512)}
    whole = points["float32", 512]
    assert whole["multi"] == pytest.approx(result["settings"]["multi"]["map"][0], abs=1e-6)
    assert points["float32", 64]["multi"] < whole["multi"]
    assert points["int8", 512]["multi"] == pytest.approx(whole["multi"], abs=0.01)
    assert points["binary", 512]["multi"] < whole["multi"]


def test_impossible_curves_are_refused(tmp_path: Path) -> None:
    for arguments, message in (
        (["bm25", "--dims", "3"], "Only models that make vectors"),
        (["random", "--dims", "65"], "have 64 dimensions, fewer than the requested 65"),
        (["random", "--dims", "x"], "--dims takes comma-separated integers"),
        (["random", "--quantise", "int7"], "Unknown form of vectors 'int7'. Did you mean int8?"),
        (["random", "--precision", "bf16"], "random does not support --precision. It supports no options."),
    ):
        done = panglot("run", *arguments, cwd=tmp_path)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_reduced_vectors_equal_hand_computed_values() -> None:
    queries, candidates = np.array([[3.0, 4.0, 9.0]]), np.array([[1.0, 0.0, 5.0], [0.0, -2.0, 1.0]])
    cut = reduced([queries, candidates], 2, "float32", "cosine")
    assert cut[0].tolist() == [[0.6, 0.8]]
    assert cut[1].tolist() == [[1, 0], [0, -1]]
    signs = reduced([queries, candidates], 2, "binary", "cosine")
    assert [part.tolist() for part in signs] == [[[1, 1]], [[1, -1], [-1, -1]]]
    steps = reduced([queries, candidates], 2, "int8", "cosine")
    assert steps[1] == pytest.approx(cut[1], abs=1 / 255)
    assert steps[0].max() <= 1 + 1e-6
    assert len(np.unique(reduced([np.random.default_rng(1).standard_normal((9999, 1))], 1, "int8", "cosine")[0])) <= 256


def test_a_plan_encodes_a_sample_and_writes_nothing(starter: Pool, tmp_path: Path) -> None:
    encoder = Counting()
    encoder.budget = TokenBudget(fixed=100)
    cache = VectorCache(tmp_path)
    plan = plan_run(encoder, starter, cache)
    assert [(role.items, role.texts, role.cached) for role in plan.roles] == [(572, 572, 0), (858, 858, 0)]
    assert len(encoder.asked) < 300
    texts = (*starter.queries.texts, *starter.candidates.texts)
    assert plan.tokens == sum(len(text.split()) for text in texts)
    assert plan.roles[1].truncated["en"] == 1
    assert plan.roles[1].truncated["zh"] == 0
    assert plan.disk_bytes == 4 * 3 * 1430
    assert not list(tmp_path.iterdir())
    encode_items(encoder, starter, "query", cache)
    after = plan_run(encoder, starter, cache)
    assert (after.roles[0].cached, after.roles[0].seconds, after.roles[1].cached) == (572, 0.0, 0)


def test_plan_as_typed() -> None:
    done = panglot("plan", "use-multilingual", "--price", "0.02")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert all(
        word in said
        for word in ("starter", "query", "passage", "512-dimensional vectors take 3 MB", "the API costs 0.0")
    )
    rows = json.loads(panglot("plan", "use-multilingual", "--json").stdout)
    assert rows["starter"]["dimension"] == 512
    assert json.loads(panglot("plan", "bm25", "--json").stdout)["starter"]["roles"] == []


def test_how_the_languages_are_read_is_recorded(starter: Pool) -> None:
    encoded = encode_items(Counting(), starter, "passage")
    reading = reading_by_language(encoded.tokens, starter.candidates, starter.languages, 4)
    assert set(reading) == set(starter.languages)
    assert reading["en"] == {"truncated": 1.0, "tokens_per_word": 1.0}
    assert reading["zh"]["tokens_per_word"] < 0.1
    record = run(TASKS["starter"], load_model("use-multilingual")).record.run
    assert record.encoding
    assert (record.encoding.texts, record.encoding.fresh, record.encoding.queries) == (1430, 1430, {})
    assert record.packages["numpy"] == np.__version__


def test_the_verbs_of_the_cache(tmp_path: Path) -> None:
    assert panglot("run", "random", "--cache", "vectors", "--out", "out", cwd=tmp_path).returncode == 0
    rows = json.loads(panglot("cache", "ls", "--cache", "vectors", "--json", cwd=tmp_path).stdout)
    assert [(row["name"], row["role"], row["shards"]) for row in rows] == [
        ("random", "passage", 1),
        ("random", "query", 1),
    ]
    assert "random" in panglot("cache", "ls", "--cache", "vectors", cwd=tmp_path).stdout
    assert panglot("cache", "verify", "--cache", "vectors", cwd=tmp_path).stdout == "0 damaged shards\n"
    shard = next((tmp_path / "vectors").rglob("*.npz"))
    shard.write_bytes(shard.read_bytes()[:-1])
    bad = panglot("cache", "verify", "--cache", "vectors", cwd=tmp_path)
    assert bad.returncode == 1
    assert f"damaged: vectors/{shard.relative_to(tmp_path / 'vectors')}" in bad.stdout
    assert "0.0 MB removed" in panglot("cache", "prune", "--cache", "vectors", cwd=tmp_path).stdout
    assert "0.0 MB" not in panglot("cache", "prune", "--cache", "vectors", "--days", "0", cwd=tmp_path).stdout
    assert list((tmp_path / "vectors").iterdir()) == []


def test_without_the_cache_nothing_is_kept(tmp_path: Path) -> None:
    arguments = ["run", "random", "--no-cache", "--out", "out"]
    assert panglot(*arguments, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "home")).returncode == 0
    assert not (tmp_path / "home").exists()


def test_models_without_vectors_have_no_curve() -> None:
    with pytest.raises(BadEncoder, match="Only models that make vectors"):
        run(TASKS["starter"], load_model("language-id"), curve=[(2, "float32")])


def test_run_without_the_resource_module_records_no_peak_memory(tmp_path: Path) -> None:
    code = "import sys; sys.modules['resource'] = None; from panglot.cli.main import main; main()"
    done = python(code, "run", "constant", "--tasks", "starter", "--out", tmp_path)
    path = next(tmp_path.rglob("starter.json"))
    assert read_result_record(path).run.peak_memory_mib is None
    assert "MiB" not in done.stdout


@pytest.mark.parametrize("tasks", ["", ",", " , "])
def test_a_list_without_tasks_is_refused(tasks: str) -> None:
    done = panglot("run", "random", "--tasks", tasks)
    assert (done.returncode, done.stdout) == (2, "")
    assert "No task is named." in done.stderr


@pytest.mark.parametrize("option", [("--engine", "ray"), ("--half",), ("--shards", "2"), ("--workers", "2")])
def test_options_of_large_corpora_need_one(option: tuple[str, ...], tmp_path: Path) -> None:
    done = panglot("run", "random", *option, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{option[0]}" in done.stderr
    assert "applies to tasks that stream their passages, such as miracl, not to starter." in done.stderr
    assert not list(tmp_path.iterdir())


def test_unwritable_result_folder_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "constant@1").write_text("a file", encoding="utf-8")
    done = panglot("run", "constant", "--tasks", "starter", "--out", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "constant@1 is not a folder" in done.stderr


def test_two_folders_of_one_name_are_refused(own: Path) -> None:
    other = own / "other" / "bees"
    shutil.copytree(own / "bees", other)
    assert panglot("tasks", "bees", cwd=own).returncode == 0
    (other / "queries.jsonl").write_text('{"_id": "q", "text": "Why?", "language": "en"}\n', encoding="utf-8")
    done = panglot("run", "constant", "--tasks", "./bees,./other/bees", "--out", "out", cwd=own)
    assert done.returncode == 2
    assert "Two different tasks are named 'bees'" in done.stderr
    assert not (own / "out").exists()


def test_folder_with_a_comma_in_its_name_is_one_task(own: Path) -> None:
    (own / "bees").rename(own / "bees,wasps")
    done = panglot("run", "constant", "--tasks", "./bees,wasps", "--out", "out", cwd=own)
    assert done.returncode == 0, done.stderr
    assert len(list((own / "out").rglob("bees-wasps.*.json"))) == 1


def test_folder_named_as_a_task_of_the_suite_is_refused(own: Path) -> None:
    (own / "bees").rename(own / "mlqa-r")
    done = panglot("run", "constant", "--tasks", "./mlqa-r", "--out", "out", cwd=own)
    assert done.returncode == 2
    assert "./mlqa-r: 'mlqa-r' is the name of a built-in task or set" in done.stderr


@pytest.mark.parametrize("name", ["x" * 5000, "./" + "x" * 5000, "a/" * 3000, "./bees/../nowhere"])
def test_name_that_cannot_be_a_folder_is_refused(name: str, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own)
    with pytest.raises(PanglotError, match=r"Unknown task|does not exist"):
        find_tasks(name)


def test_long_list_of_tasks_is_not_taken_for_a_folder() -> None:
    assert len(find_tasks(",".join(TASKS))) == len(TASKS)
