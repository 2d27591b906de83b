"""The page Remedies: the numbers of `panglot whatif`, every debiased configuration of a model, reasons where none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

import panglot
from leaderboard_app.index.evidence_store import stored_answers
from leaderboard_app.index.folder import home_of
from leaderboard_app.index.index import Index, read_index, update
from leaderboard_app.index.verification import verify_new
from leaderboard_app.tables.remedies import (
    Rung,
    debias_of,
    gains,
    helps_most,
    ladder,
    ladder_table,
    language_table,
    policies_for,
    worth_a_look,
)
from panglot.api import Encodes
from panglot.cli.main import app
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.captions import mixed
from panglot.data.task import Size, Source, Task
from panglot.remedies.whatif import what_if
from panglot.results.evidence_file import read_evidence
from tests.helpers.boards import verified_index
from tests.helpers.images import Numbers, image_text

pytestmark = pytest.mark.usefixtures("no_checks")

PAGE = Path(__file__).parents[1] / "leaderboard_app" / "app_pages" / "remedies.py"
LANGUAGES = ("de", "en", "th")
POLICIES = policies_for(LANGUAGES)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """One model on three languages of the starter set, as it is and with its languages taken out; and on one."""
    out = tmp_path_factory.mktemp("submissions")
    command = ["run", "use-multilingual", "--tasks", "starter", "--out", str(out)]
    for more in (["--languages", "de,en,th"], ["--languages", "de,en,th", "--debias", "centre"], ["--languages", "de"]):
        done = CliRunner().invoke(app, [*command, *more])
        assert done.exit_code == 0, done.output
    update(out)
    verify_new(out)
    return read_index(out)


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, index: Index) -> Callable[..., AppTest]:
    st.cache_data.clear()
    st.cache_resource.clear()

    def opened(**query: str) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app", str(index.folder)])
        test = AppTest.from_file(str(PAGE), default_timeout=600)
        for name, value in query.items():
            test.query_params[name] = value
        return test.run()

    return opened


def _path(index: Index, debiased: bool) -> Path:
    (path,) = (
        index.folder / f"{entry.id}.json"
        for entry in index.entries
        if entry.verified and len(entry.languages) == 3 and ("debias" in entry.folder) == debiased
    )
    return path


def test_board_and_command_line_say_the_same_numbers(index: Index) -> None:
    path = _path(index, debiased=False)
    done = CliRunner().invoke(app, ["whatif", str(path), "--policy", ",".join(POLICIES[1:]), "--json"])
    said = {answer["policy"]: answer for answer in json.loads(done.stdout)}
    for _ in range(2):  # computed, then read
        shown = stored_answers(home_of(index.folder), path, POLICIES)
        assert shown.keys() == said.keys()
        for name in said:
            for part in ("scores", "difference", "p", "languages"):
                assert shown[name][part] == said[name][part]


def test_command_line_python_and_board_say_the_same_of_a_debiased_model(index: Index) -> None:
    path = _path(index, debiased=True)
    found = panglot.run("use-multilingual", "starter", languages=LANGUAGES, debias="centre")
    written = json.loads(path.read_text(encoding="utf-8"))
    answers = stored_answers(home_of(index.folder), path, POLICIES)
    table = ladder_table(ladder({**answers}, {("centre", "corpus"): answers}), "map").set_index("remedy")
    multi = found.scores["multi"]["map"]
    for said in (written["settings"]["multi"]["map"], table.loc["centre, corpus", ["value", "low", "high"]].tolist()):
        assert said == pytest.approx(multi, abs=1e-6)
    assert answers["pool"]["scores"]["rank_distance"] == pytest.approx(found.bias["rank_distance"], abs=1e-6)
    interleaved = what_if(read_evidence(path), ["interleave"])[1].scores["map"]
    assert table.loc["centre, corpus, interleave", "value"] == pytest.approx(interleaved.value, abs=1e-6)


def test_ladder_holds_policies_then_variants(index: Index) -> None:
    base, debiased = (
        stored_answers(home_of(index.folder), _path(index, debiased), POLICIES) for debiased in (False, True)
    )
    rungs = ladder(base, {("centre", "corpus"): debiased})
    names = ["as measured", *POLICIES[1:], "centre, corpus", "centre, corpus, interleave"]
    assert [rung.remedy for rung in rungs] == names
    table = ladder_table(rungs, "map")
    assert table["remedy"].tolist() == names
    assert table["value"].iloc[-2] == debiased["pool"]["scores"]["map"][0]
    assert table["difference"].iloc[0] == 0
    assert set(language_table(rungs, "map")["language"]) == set(LANGUAGES)


def test_gains_come_in_order_with_interval_and_p(index: Index) -> None:
    answers = {
        str(debiased): stored_answers(home_of(index.folder), _path(index, debiased), POLICIES)
        for debiased in (False, True)
    }
    table = gains(answers, "interleave", "map")
    assert len(table) == 2
    assert table["value"].is_monotonic_decreasing
    assert table["value"].to_numpy() == pytest.approx((table["interleave"] - table["as measured"]).to_numpy())
    assert (table["low"] <= table["value"]).all()


def test_method_and_fit_are_read_from_settings() -> None:
    settings = ("precision=bf16", "debias=project:4", "debias_fit=0123456789ab")
    assert debias_of(settings) == ("project:4", "0123456789ab", ("precision=bf16",))
    assert debias_of(()) == ("", "", ())


@pytest.mark.parametrize("debiased", [False, True])
def test_page_shows_the_ladder_of_whichever_configuration_is_picked(
    open_page: Callable[..., AppTest], index: Index, debiased: bool
) -> None:
    path = _path(index, debiased)
    test = open_page(task=path.stem, model=path.parent.name)
    assert not test.exception
    assert [heading.value for heading in test.subheader] == [
        "What each remedy needs",
        "Every query language",
        "Who gains",
    ]
    assert test.multiselect(key="remedy").options[-2:] == ["centre, corpus", "centre, corpus, interleave"]


def test_page_opens_on_a_model_as_it_is(index: Index) -> None:
    entries = [entry for entry in index.entries if len(entry.languages) == 3]
    (first,) = worth_a_look(entries)
    assert "debias" not in first.revision
    other = first.model_copy(update={"identity": "other"})
    assert worth_a_look([other, *entries]) == [first]  # the other has no debiased version to show
    assert worth_a_look([other]) == [other]


@pytest.mark.parametrize(
    ("measure", "values", "said"),
    [
        ("map", (0.3, 0.5, 0.9), "interleave helps most: map goes from 0.300 to 0.500."),
        ("map", (0.6, 0.5, 0.9), "No remedy improves map."),
        ("rank_distance", (40.0, 7.5, 1.0), "interleave helps most: rank distance goes from 40.0 to 7.5."),
    ],
)
def test_page_names_the_remedy_that_helps_most_in_the_whole_pool(
    measure: str, values: tuple[float, ...], said: str
) -> None:
    rungs = [
        Rung(name, "", "", {"scores": {measure: (value, None, None)}})
        for name, value in zip(("as measured", "interleave", "only-own"), values, strict=True)
    ]
    assert helps_most(rungs, measure) == said


def _shown(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, pool: Pool, model: Encodes) -> Index:
    """The index that the page sees of a model on a pool, as it is and centred."""
    task = Task(name, "", dict.fromkeys(pool.languages, Size(0, 0)), Source(name, {}), lambda _: pool, "map", "", "")
    for method in ("", "centre"):
        panglot.run(model, task, debias=method).save(folder)
    found = verified_index(folder)
    monkeypatch.setattr("leaderboard_app.store.store.read_index", lambda _: found)
    return found


def test_page_shows_what_taking_out_images_gives_in_a_pool_with_images(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its ladder has the scores of the results themselves, and no policy."""
    pool = mixed(image_text(16, ("de", "en")))
    found = _shown(monkeypatch, tmp_path, "pictures", pool, Numbers(noise=0.5))
    test = open_page(task="pictures", measure="rank_distance")
    assert not [*test.exception, *test.warning]
    assert any("cannot be served in other ways" in info.value for info in test.info)
    assert "Who gains" not in [heading.value for heading in test.subheader]
    ladder = test.dataframe[0].value
    assert ladder["remedy"].tolist() == ["as measured", "centre, corpus"]
    paths = [found.folder / f"{entry.id}.json" for entry in sorted(found.entries, key=lambda entry: entry.revision)]
    scores = [panglot.read_result(path).scores["multi"]["map"].value for path in paths if path.exists()]
    assert ladder["difference"].iloc[1] == pytest.approx(scores[1] - scores[0], abs=1e-9)
    assert any("Measure" in caption.value for caption in test.caption)  # rank distance is not available here


def test_page_offers_only_measures_that_the_task_has(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One answer a question, so there is no distance between answers."""
    names, numbers = ("de", "en"), range(12)
    pool = Pool.of(
        names,
        [Query(f"{x}:q{n}", f"{n} {x}", x, f"{x}{n}") for x in names for n in numbers],
        [Candidate(f"{x}:c{n}", f"{n} {x}", x) for x in names for n in numbers],
        [Judgement(f"{x}:q{n}", f"{x}:c{n}") for x in names for n in numbers],
    )
    _shown(monkeypatch, tmp_path, "single", pool, Numbers(noise=0.5))
    test = open_page(task="single", measure="rank_distance")
    assert not [*test.exception, *test.warning]
    assert test.subheader[-1].value == "Who gains"
    assert any("Measure" in caption.value for caption in test.caption)


def test_page_says_why_a_pool_of_one_language_has_no_remedy(open_page: Callable[..., AppTest]) -> None:
    test = open_page(task="starter.de")
    assert not test.exception
    assert any("candidates in only one language" in warning.value for warning in test.warning)
