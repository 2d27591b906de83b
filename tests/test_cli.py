"""The command as a person types it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from panglot.cli.names import find_task
from panglot.data.catalogue import all_tasks, known_tasks
from panglot.encode.registry import KINDS
from panglot.errors import PanglotError
from tests.helpers.command import panglot
from tests.helpers.processes import python
from tests.helpers.tasks import TASKS

HEAVY = ("torch", "pandas", "datasets", "streamlit", "transformers", "sentence_transformers", "pyarrow", "pydantic")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run of the embedded default on the starter set."""
    folder = tmp_path_factory.mktemp("submissions")
    done = panglot("run", "use-multilingual", "--tasks", "starter", "--out", str(folder), "--matrix")
    assert done.returncode == 0, done.stderr
    assert "use-multilingual on starter" in done.stdout
    for heading in ("mono", "cross", "multi", "balance", "rank", "own"):
        assert heading in done.stdout
    assert "query language down, candidate language across" in done.stdout
    assert "starter.json" in done.stdout
    return folder


def test_show_prints_what_run_wrote(out: Path) -> None:
    done = panglot("show", str(out), "--bias", "--by-language", "--matrix")
    assert done.returncode == 0, done.stderr
    for word in ("starter", "kendall_w_pooled", "language-blind", "cross", "as candidate", "map × 100"):
        assert word in done.stdout


def test_show_prints_json(out: Path) -> None:
    rows = json.loads(panglot("show", str(out), "--json").stdout)
    assert [row["task"] for row in rows] == ["starter"]
    assert 0 < rows[0]["scores"]["multi"]["map"] < rows[0]["scores"]["mono"]["map"] < 1
    assert set(rows[0]["languages"]) == {"ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"}
    assert rows[0]["languages"]["en"]["bias"]["same_language_ratio@10"] > 1
    assert len(rows[0]["pairs"]) == 121


def test_tables_fit_eighty_columns(out: Path) -> None:
    done = panglot("show", str(out), "--bias", "--by-language", "--matrix", COLUMNS="80", NO_COLOR="1")
    assert "…" not in done.stdout
    assert "\x1b" not in done.stdout
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= 80


def test_tasks_and_models_are_listed() -> None:
    listed = panglot("tasks").stdout
    assert all(word in listed for word in ("xquad-r", "13,090", "mlqa-r", "20,534", "starter"))
    assert "1,148" in panglot("tasks", "mlqa-r").stdout
    described = panglot("tasks", "mkqa").stdout
    assert (described.count("Not read here yet"), described.count("mkqa-")) == (1, 26)
    rows = json.loads(panglot("tasks", "--json").stdout)
    sizes = {row["name"]: row["candidates"] for row in rows}
    assert list(sizes) == [task.name for task in all_tasks()]
    assert [sizes[name] for name in ("xquad-r", "mlqa-r", "emoji-t2i", "starter")] == [13_014, 20_534, 426, 858]
    assert "language-id" in panglot("models").stdout
    rows = json.loads(panglot("models", "--json").stdout)
    assert [row["example"] for row in rows] == [kind.example for kind in KINDS.values()]


class _Entry:
    """An entry point of a package that is not installed."""

    name, value = "mine", "mine:TASK"

    def __init__(self, offered: object) -> None:
        self._offered = offered

    def load(self) -> object:
        if isinstance(self._offered, Exception):
            raise self._offered
        return self._offered


def test_tasks_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(TASKS["starter"], name="mine")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [_Entry(mine)])
    assert find_task("mine") is mine
    assert list(known_tasks()) == ["mine", *(task.name for task in all_tasks())]
    for offered, message in ((ImportError("no such module"), "cannot be imported"), (3, "must be a Task, not 3")):
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group, offered=offered: [_Entry(offered)])
        with pytest.raises(PanglotError, match=message):
            find_task("mine")


def test_exported_items_can_be_scored_as_stored_vectors(tmp_path: Path) -> None:
    import numpy as np

    done = panglot("tasks", "starter", "--export", "items.jsonl", cwd=tmp_path)
    assert "572 queries and 858 candidates" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    arrays = {}
    for name, role in (("query", "query"), ("candidate", "passage")):
        chosen = [row for row in rows if row["role"] == role]
        arrays[f"{name}_ids"] = np.array([row["id"] for row in chosen])
        arrays[f"{name}_vectors"] = np.array([[len(row["text"]), row["text"].count(" ") + 1.0] for row in chosen])
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "starter.npz", **arrays)
    assert panglot("run", "vectors:mine", "--out", "results", cwd=tmp_path).returncode == 0
    assert len(list((tmp_path / "results").glob("vectors-mine@*/starter.json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "bm25", "--tasks", "xqad-r"], "Unknown task 'xqad-r'. Did you mean xquad-r"),
        (
            ["run", "bm25", "--tasks", "starter,nothing-like-it"],
            "Unknown task 'nothing-like-it'. Known: belebele, belebele-lite, emoji, ",
        ),
        (["run", "use-multilingal"], "Unknown model 'use-multilingal'. Did you mean use-multilingual"),
        (["run", "random", "--languages", "en,xx"], "starter has no language 'xx'. Known: ar, de"),
        (["tasks", "starters"], "Did you mean starter?"),
        (["tasks", "--export", "x"], "--export needs a task name, e.g."),
        (["show", "nowhere"], "nowhere does not exist"),
        (["run", "bm25", "--tasks", "xquad-r", "--data-dir", "nowhere"], "nowhere/xquad-r/ar.json does not exist"),
    ],
)
def test_user_errors_have_no_traceback(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = panglot(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.json"))


def test_an_encoder_that_fails_leaves_no_result(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "import numpy as np\n"
        "class E:\n"
        "    def encode(self, texts, role):\n"
        "        return np.array([[1.0, np.nan if role == 'passage' and 'panal' in text else 1] for text in texts])\n"
        "make = E\n",
        encoding="utf-8",
    )
    done = panglot("run", "py:bad:make", cwd=tmp_path)
    assert done.returncode == 2
    assert "NaN or infinity for es:1:1 (es): 'Para indicar a las demás abejas" in done.stderr
    assert not (tmp_path / "submissions").exists()


def test_internal_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.encode.kinds.floors.load_random", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        panglot("run", "random")


@pytest.mark.parametrize(
    "statement",
    ["import panglot", "import panglot.cli.main", "import panglot.cli.main, panglot.cli.view.listing"],
)
def test_command_loads_nothing_heavy(statement: str) -> None:
    script = f"import sys; {statement}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = python(script)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("verb", ["tasks", "models", "--help", "--version"])
def test_listing_loads_only_what_checks_task_files(verb: str) -> None:
    heavy = [name for name in (*HEAVY, "numpy", "urllib.request") if name != "pydantic"]
    script = (
        "import sys; from panglot.cli.main import main\n"
        f"sys.argv[1:] = [{verb!r}]\n"
        "try: main()\n"
        f"finally: print([name for name in {heavy!r} if name in sys.modules])"
    )
    assert python(script).stdout.splitlines()[-1] == "[]"


def test_scoring_a_model_loads_nothing_it_does_not_need() -> None:
    heavy = [name for name in HEAVY if name not in ("pyarrow", "pydantic")]
    script = (
        "import sys; from panglot.encode.load import load_model; from panglot.evaluate.run import run\n"
        "from panglot.data.catalogue import suite_tasks\n"
        "run(suite_tasks()['starter'], load_model('random'))\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = python(script)
    assert done.stdout.strip() == "[]"
