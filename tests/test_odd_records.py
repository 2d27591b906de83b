"""Odd records, alone and with evidence: each is refused with its reason, or every verb works with it."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from typer.main import get_command

from panglot.cli.main import app
from panglot.encode.load import load_model
from panglot.errors import BadResult, PanglotError
from panglot.evaluate.run import run
from panglot.plain import plain
from panglot.results.result_record import read_result_record
from panglot.trust.verify import verify
from tests.helpers.odd_records import Odd, odd_results, with_options, without_evidence
from tests.helpers.tasks import TASKS

PANGLOT = get_command(app)
ODD = int(os.environ.get("PANGLOT_ODD", "24"))
"""How many odd records there are; the long version has 2,000."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of two models, `random@1` and `constant@1`."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("random", "constant"):
        curve = [(8, "int8")] if name == "random" else []
        outcome = run(TASKS["starter"], load_model(name), ["de", "en"], curve=curve)
        outcome.save(folder)
    return folder


@pytest.fixture(scope="module")
def records(made: Path) -> list[Odd]:
    text = (made / "random@1" / "starter.de-en.json").read_text(encoding="utf-8")
    return [*odd_results(text, ODD - ODD // 3), *odd_results(with_options(text), ODD // 3, seed=1)]


def _commands(path: Path, other: Path) -> Iterator[list[str]]:
    for as_json in ([], ["--json"]):
        yield ["verify", str(path), *as_json]
        yield ["show", str(path), *(as_json or ["--matrix", "--bias", "--by-language"])]
        yield ["rank", str(path), str(other), *as_json]
        yield ["compare", str(path), str(other), *(as_json or ["--matrix"])]
        yield ["compare", str(other), str(path), *as_json]
    for form in ("mteb", "model-index", "trec", "hub-eval", "eee", "csv", "jsonl"):
        yield ["export", str(path), "--format", form]


def _refusal(path: Path) -> str:
    try:
        read_result_record(path)
    except BadResult as error:
        return str(error)
    return ""


def _output(arguments: list[str]) -> str:
    """What a verb prints; what a person can mend is its last line, everything else is raised."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(output), redirect_stderr(output):
        try:
            PANGLOT.main(arguments, standalone_mode=False)
        except PanglotError as error:
            output.write(plain(str(error)))
    output.seek(0)
    return output.read()


@pytest.mark.parametrize("evidence", [True, False], ids=["with evidence", "alone"])
def test_an_odd_record_is_refused_or_works(made: Path, records: list[Odd], evidence: bool, tmp_path: Path) -> None:
    other = made / "constant@1" / "starter.de-en.json"
    folder = tmp_path / "random@1"
    folder.mkdir()
    path = folder / "starter.de-en.json"
    for file in (made / "random@1").glob("*.parquet") if evidence else ():
        shutil.copy(file, folder)
    taken = 0
    for odd in records:
        path.write_text(odd.text if evidence else without_evidence(odd.text), encoding="utf-8")
        reason = _refusal(path)
        if reason:
            assert reason.isprintable(), odd.what
            assert verify(path).findings == (reason,), odd.what
            continue
        taken += 1
        for command in _commands(path, other):
            try:
                output = _output(command)
            except Exception as error:
                raise AssertionError(f"{odd.what}: panglot {' '.join(command)}") from error
            assert "\x1b" not in output, odd.what
    assert taken


def test_odd_records_are_the_same_each_time(records: list[Odd], made: Path) -> None:
    text = (made / "random@1" / "starter.de-en.json").read_text(encoding="utf-8")
    assert list(odd_results(text, 5)) == records[:5]
    assert len({odd.text for odd in records}) == len(records) == ODD
