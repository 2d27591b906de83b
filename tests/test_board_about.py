"""The About page: what it says is what the code does, and what it tells people to type can be typed."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import typer
from streamlit.testing.v1 import AppTest

from leaderboard_app.charts.charts import TRUST_INKS
from leaderboard_app.tables.board import SCORES as COLUMNS
from leaderboard_app.tables.definitions import COMMANDS, SUBSET, bias_measures, bibtex, data, metrics
from panglot.cli.main import app
from panglot.data.catalogue import all_tasks
from panglot.data.task import Reference
from panglot.encode.load import load_model
from panglot.evaluate.run import run
from panglot.score.bias import MEASURES
from panglot.score.metrics import NAMES
from panglot.score.settings import MEANINGS
from panglot.trust import levels
from tests.helpers.processes import LONGEST
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.usefixtures("no_checks")

PAGE = Path(__file__).parents[1] / "leaderboard_app" / "app_pages" / "about.py"


def test_everything_that_is_shown_is_defined() -> None:
    assert set(MEANINGS) == set(COLUMNS)
    shown = [name for names in get_args(levels.Shown) for name in get_args(names)]
    assert set(levels.MEANINGS) == {*shown} - {"declared"}  # only cards are
    assert set(TRUST_INKS) == set(levels.MEANINGS) - {"failed"}
    assert list(metrics()) == list(NAMES)
    assert bias_measures() == {measure.name: measure.sentence for measure in MEASURES}
    assert all("`at`" not in sentence for sentence in metrics().values())


@pytest.mark.parametrize("command", COMMANDS.values())
def test_every_command_can_be_typed(command: str) -> None:
    name, *arguments = shlex.split(command)
    assert name == "panglot"
    group = typer.main.get_command(app)
    with group.make_context(name, arguments) as context:
        while isinstance(group, typer.core.TyperGroup):
            verb, group, arguments = group.resolve_command(context, arguments)
            assert group is not None
            context = group.make_context(verb, list(arguments), parent=context)
    assert context.params


def test_the_code_for_a_subset_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run(TASKS["starter"], load_model("random"), ["de", "en", "zh"])
    path = outcome.save(tmp_path)
    exec(SUBSET.replace("submissions/MODEL@REVISION/xquad-r.json", str(path)), {})
    assert re.fullmatch(r"Score\(value=0\.\d+, .*\) Score\(value=.*\)\n", capsys.readouterr().out)


def test_every_task_has_its_licence_and_its_source() -> None:
    shown = data(all_tasks())
    names = [name for key in shown for name in key.split(", ")]
    assert sorted(names) == sorted(task.name for task in all_tasks())
    for task in all_tasks():
        about = next(about for key, about in shown.items() if task.name in key.split(", "))
        assert task.licence.rstrip(".") in about
        assert task.citation.rstrip(".") in about


def test_every_source_has_an_entry() -> None:
    text = bibtex(all_tasks())
    keys = re.findall(r"^@(?:misc|software)\{([a-z0-9]+),$", text, re.MULTILINE)
    assert len(set(keys)) == len(keys)
    assert text.count("{") == text.count("}")
    for number in {number for task in all_tasks() for number in re.findall(r"\d{4}\.\d{5}", task.citation)}:
        assert text.count(f"eprint = {{{number}}}") == 1


def test_bibtex_entry_equals_one_written_by_hand() -> None:
    paper = Reference("roy2020lareqa", "LAReQA", "Roy et al.", 2020, "EMNLP", "2004.05484")
    task = replace(TASKS["xquad-r"], references=(paper, Reference("abook", "A book")))
    assert task.citation == "Roy et al. (2020), LAReQA, EMNLP, arXiv 2004.05484; A book"
    assert bibtex([task]).split("\n\n")[1:] == [
        "@misc{roy2020lareqa,\n  author = {Roy and others},\n  title = {{LAReQA}},\n  year = {2020},\n"
        "  howpublished = {EMNLP},\n  eprint = {2004.05484},\n  archiveprefix = {arXiv},\n}",
        "@misc{abook,\n  title = {{A book}},\n}",
    ]


def test_the_page_opens() -> None:
    page = AppTest.from_file(str(PAGE), default_timeout=LONGEST).run()
    assert not page.exception
    shown = "\n".join(element.value for element in page.markdown)
    assert "Ties count against the encoder" in shown
    assert page.code[-1].value == bibtex(all_tasks())
    assert [element.value for element in page.code[: len(COMMANDS)]] == list(COMMANDS.values())
