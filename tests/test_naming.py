"""Names of result files: safe, short, distinct, and found again, whatever tasks and languages are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panglot.data.catalogue import all_tasks
from panglot.encode.card import ModelCard
from panglot.results.evidence_file import EVIDENCE_FILES, evidence_file
from panglot.results.naming import is_result_name, result_folder, result_stem, stem_of
from panglot.results.result_record import find_results
from panglot.trust.rerun import attestation_file
from panglot.trust.submission import FILE_NAME, FOLDER_NAME
from tests.helpers.tasks import TASKS

SAFE = re.compile(r"[a-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*){0,2}")

ODD = (
    *(
        "card",
        "CARD",
        "nul",
        "con",
        "com1",
        "",
        ".",
        "..",
        "a/b",
        "a.reported",
        "a.attestation",
        "a.de",
        "Data",
        "data",
    ),
    *("data.", "-data", "data-", "x" * 300, "ü", "数据", "a b", "a\nb", "\udc80", "=1+1", "a.b1946ac9"),
)
names = st.one_of(st.sampled_from(ODD), st.text(max_size=30), st.from_regex(r"[a-zA-Z0-9_.-]{1,12}", fullmatch=True))
codes = st.one_of(
    st.sampled_from(
        ("de", "en", "zh", "zh-Hans", "Hans", "hans", "EN", "en/us", "tha_Thai", "Thai", "25-languages", "")
    ),
    st.text(max_size=8),
)
choices = st.one_of(st.none(), st.lists(codes, max_size=40, unique=True))


@given(names, choices)
def test_stem_is_safe_and_short_and_found_as_a_result(task: str, languages: list[str] | None) -> None:
    stem = result_stem(task, languages)
    assert SAFE.fullmatch(stem), stem
    assert len(stem) < 120
    assert is_result_name(f"{stem}.json")
    assert FILE_NAME.fullmatch(f"{stem}.json")
    path = Path(f"{stem}.json")
    beside = [path, attestation_file(path), *(evidence_file(path, name) for name in EVIDENCE_FILES)]
    assert all(len(file.name) < 255 for file in beside)
    assert path.stem == stem


@given(names, choices, names, choices)
def test_different_tasks_or_languages_have_different_stems(
    task: str, languages: list[str] | None, other: str, others: list[str] | None
) -> None:
    if (task, languages) != (other, others):
        assert result_stem(task, languages).casefold() != result_stem(other, others).casefold()


def test_stems_of_every_pair_of_odd_names_differ() -> None:
    lists = [None, ["de"], ["zh", "hans"], ["zh-Hans"], ["zh", "Hans"], ["zh_Hans"], ["de", "en"], ["en", "de"], ["DE"]]
    stems = [result_stem(name, languages).casefold() for name in ODD for languages in lists]
    assert len(set(stems)) == len(ODD) * len(lists)


@pytest.mark.parametrize("task", ODD)
def test_result_of_an_oddly_named_task_is_found_in_its_folder(tmp_path: Path, task: str) -> None:
    folder = tmp_path / "model@1"
    folder.mkdir()
    written = folder / f"{result_stem(task, ['en/us'])}.json"
    written.write_text("{}")
    for beside in ("card.json", "a.reported.json", attestation_file(written).name):
        (folder / beside).write_text("{}")
    assert list(find_results([tmp_path])) == list(find_results([folder])) == [written]


def test_names_of_the_suite_stand_as_they_are() -> None:
    assert [result_stem(name) for name in TASKS] == [task.name for task in all_tasks()]
    assert result_stem("xquad-r", ("de", "zh")) == "xquad-r.de-zh"
    assert result_stem("belebele", ("eng_Latn", "tha_Thai")) == "belebele.eng_Latn-tha_Thai"
    assert re.fullmatch(
        r"belebele\.25-languages-[0-9a-f]{8}", result_stem("belebele", TASKS["belebele"].languages[:25])
    )
    assert re.fullmatch(r"mine\.1-language-[0-9a-f]{8}", result_stem("mine", ["en/us"]))
    assert is_result_name("postcard.json")


@pytest.mark.parametrize("setting", ["precision=bf16", "truncate_dim=64"])
def test_folder_of_a_long_model_name_is_short_and_distinct(setting: str) -> None:
    def folder(name: str) -> str:
        card = ModelCard(name=name, revision="r" * 300, library="x", settings=(setting,))
        return result_folder(Path(), card).name

    first, second = folder("org/" + "m" * 300), folder("org/" + "m" * 301)
    assert first != second
    assert FOLDER_NAME.fullmatch(first.replace("+", "-"))


def test_label_tells_the_states_of_one_model_apart() -> None:
    card = ModelCard(name="org/name", revision="1a2b", library="x")
    changed = card.model_copy(update={"settings": ("precision=bf16", "truncate_dim=64")})
    assert card.label == "org/name@1a2b"
    assert changed.label == "org/name@1a2b+precision=bf16+truncate_dim=64"


def test_stem_of_a_task_names_its_languages_only_where_some_are_left_out() -> None:
    task = TASKS["xquad-r"]
    assert stem_of(task) == stem_of(task, task.languages) == "xquad-r"
    assert stem_of(task, ["de", "en"]) == "xquad-r.de-en"
