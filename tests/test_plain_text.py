"""Text of strangers in a terminal: whatever a file says, only plain text comes out, on lines that are ours.

PANGLOT_EVERY=1 tries every text in every place with every verb; otherwise each place meets one text and one verb.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from panglot.cli.main import main
from panglot.cli.output import echo, print_json
from panglot.cli.view.console import PlainConsole
from panglot.encode.card import ModelCard
from panglot.encode.load import load_model
from panglot.errors import BadResult
from panglot.evaluate.run import run
from panglot.fields import check_text
from panglot.plain import is_blank, plain, plain_json, plain_lines
from panglot.results.result import Result
from panglot.trust.submission import card_of, pack, write_card
from tests.helpers.tasks import TASKS

HOSTILE = (
    "\x1b[2J\x1b[31mrecomputed\x1b[0m",
    "\x1b]8;;https://x.example\x07link\x1b]8;;\x07",
    "a\n::error::b",
    "a\r\n##[add-mask]b",
    "\u202erecomputed",
    "\x9b31mred",
    "x" * 10_000 + "\x1b[m",
)
EVERY = bool(os.environ.get("PANGLOT_EVERY"))


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder as `panglot submit` leaves it, small."""
    outcome = run(TASKS["starter"], load_model("random"), ["de", "en"])
    more = {"settings": ("max_length=64",), "prompts": {"query": "q: "}, "backend": "torch", "note": "n"}
    record = outcome.record.model_copy(update={"model": outcome.record.model.model_copy(update=more)})
    path = Result(record, outcome.evidence, outcome.stem).save(tmp_path_factory.mktemp("made"))
    write_card(path.parent, card_of(record.model, ["starter"], {}))
    return path.parent


def _verbs(folder: Path, result: Path, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    yield ("verify", str(folder))
    yield ("verify", str(folder), "--json")
    yield ("show", str(result), "--bias", "--by-language", "--matrix")
    yield ("show", str(result), "--json")
    yield ("rank", str(result))
    yield ("compare", str(result), str(result))
    yield ("submit", str(folder), "--out", str(tmp_path / "made.zip"))
    yield ("rank", str(folder))
    yield ("show", str(folder), "--markdown")
    for form in ("mteb", "model-index", "trec", "hub-eval", "eee", "csv", "jsonl"):
        yield ("export", str(result), "--format", form)
    yield ("receive", str(tmp_path / "sent.zip"), "--into", str(tmp_path / "board"))


def _typed(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a person sees who types this; a traceback is an error of the test."""
    monkeypatch.setattr(sys, "argv", ["panglot", *arguments])
    monkeypatch.setattr("panglot.cli.interruption.watch_signals", lambda: None)  # those of the test runner stay
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (0, 1, 2)
    captured = capsys.readouterr()
    return captured.out + captured.err


def _is_plain(shown: str) -> bool:
    lines = shown.split("\n")
    return all(line.isprintable() and not line.lstrip().startswith(("::", "##[")) for line in lines)


TABLES = ("settings", "balance", "bias", "blind", "languages", "pairs", "worst_language")
"""Parts of a result whose keys are names of one kind: of metrics, measures or languages."""


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where texts stand in a record, and keys; of a long list or a table of scores the first entries."""
    if isinstance(value, str):
        yield place
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, item in inner[:2] if len(inner) > 30 or place[:1] in [(name,) for name in TABLES] else inner:
        if isinstance(value, dict):
            yield (*place, ("key", key))
        yield from _places(item, (*place, key))


def _with(data: Any, place: tuple[Any, ...], text: str) -> str:
    changed = json.loads(json.dumps(data))
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    if isinstance(place[-1], tuple):
        holder[text] = holder.pop(place[-1][1])
    else:
        holder[place[-1]] = text
    return json.dumps(changed)


@pytest.mark.parametrize("name", ["starter.de-en.json", "card.json"])
def test_no_field_of_a_record_reaches_the_terminal_raw(
    name: str,
    submission: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = shutil.copytree(submission, tmp_path / submission.name)
    data = json.loads((folder / name).read_text(encoding="utf-8"))
    for number, place in enumerate(place for place in dict.fromkeys(_places(data)) if place):
        verbs = list(_verbs(folder, folder / "starter.de-en.json", tmp_path))
        for text in HOSTILE if EVERY else (HOSTILE[number % len(HOSTILE)],):
            changed = _with(data, place, text)
            for verb in verbs if EVERY else (verbs[number % len(verbs)],):
                (folder / name).write_text(changed, encoding="utf-8")
                shutil.rmtree(tmp_path / "board", ignore_errors=True)
                pack(folder, tmp_path / "sent.zip")
                shown = _typed(verb, capsys, monkeypatch)
                assert _is_plain(shown), (place, text[:20], verb, shown)


@pytest.mark.parametrize("number", range(len(HOSTILE) - 1))
def test_names_of_files_are_shown_plain(
    number: int, submission: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = HOSTILE[number].replace("/", "")
    folder = shutil.copytree(submission, tmp_path / f"{name}@1")
    (folder / f"{name}.json").write_text("{}", encoding="utf-8")
    verbs = list(_verbs(folder, folder / "starter.de-en.json", tmp_path))
    for verb in verbs if EVERY else verbs[number % 3 :: 3]:
        shown = _typed(verb, capsys, monkeypatch)
        assert _is_plain(shown), (verb, shown)


def test_state_of_a_model_is_one_line_whatever_its_prompts_hold() -> None:
    card = ModelCard(name="m", revision="1", library="", settings=("query_prompt=a\n\u200cb",))
    assert card.label == r"m@1+query_prompt=a\n\u200cb"


@pytest.mark.parametrize("text", ["::error::x", "a ::warning file=b::c", "##[group]x", "x##vso[task.debug]y"])
def test_text_that_a_runner_takes_for_a_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="begins a command"):
        check_text(text)


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\u3164", "\u115f"])
def test_letters_and_separators_that_show_nothing_are_refused(char: str) -> None:
    with pytest.raises(ValueError, match="invisible"):
        check_text(f"a{char}b")
    assert check_text("std::vector :: # ## [a] 한국어 e\u0301")


@given(st.text())
def test_plain_json_says_the_same(text: str) -> None:
    line = plain_json(json.dumps({"a": text}, ensure_ascii=False))
    assert plain(line) == line
    assert json.loads(line) == {"a": text}


@given(st.text())
def test_plain_text_is_printable_and_stays_where_it_is_already(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(plain(text)) == plain(text)
    assert (plain(text) == text) == text.isprintable()
    assert all(line.isprintable() for line in plain_lines(text).split("\n"))
    assert str(BadResult(text)).isprintable()


def test_console_lets_only_its_own_escapes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal with colours, in a table, in styled text and in a title."""
    monkeypatch.setenv("COLUMNS", "200")
    shown = io.StringIO()
    console = PlainConsole()
    console.file, console._force_terminal = shown, True
    table = Table(title="\x1b[2Jtitle")
    table.add_column("\u202ehead")
    table.add_row(Text("\x1b]0;x\x07", style="bold red"))
    console.print(table, "\x1b[8mhidden", "[bold]no markup[/bold] :smile:")
    text = shown.getvalue()
    assert "\\x1b[2Jtitle" in text
    assert "\u202e" not in text
    assert "\x1b]" not in text
    assert "\x1b[8m" not in text
    assert "[bold]no markup[/bold] :smile:" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_lines_and_json_are_plain_and_json_says_the_same(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    echo(text)
    assert capsys.readouterr().out[:-1].isprintable()
    print_json({text: [text]})
    shown = capsys.readouterr().out
    assert _is_plain(shown)
    assert json.loads(shown) == {text: [text]}


@pytest.mark.parametrize(
    "text",
    ["", " \n\t\r\v", "\u00a0\u3000", "\u200b\u200d\u2060\ufeff", "\u00ad\u202e\u115f\u3164", "\u2800", "\0\x85"],
)
def test_text_that_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "text", ["a", "\u200b\u0635\u200c", "\u2764\ufe0f", "\u0e01", ".", "\ue000", "\u2801", "\u0301"]
)
def test_text_that_shows_something_is_not_blank(text: str) -> None:
    assert not is_blank(text)
