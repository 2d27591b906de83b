"""A task without a pool of all languages, as people see it: mono alone, and a sentence that says why."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from rich.console import Console, RenderableType
from streamlit.testing.v1 import AppTest

from leaderboard_app.index.index import update
from leaderboard_app.index.verification import verify_new
from panglot.cli.view.comparison import comparison_view
from panglot.cli.view.terminal import bias_table, pair_matrix, score_table
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.task import Size
from panglot.encode.kinds.floors import RandomVectors
from panglot.evaluate.provenance import provenance
from panglot.evaluate.shards.gathering import together
from panglot.results.evidence_file import read_evidence
from panglot.results.result import Result
from panglot.results.result_record import DIVIDED, ResultRecord, TaskRecord, read_result_record
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from panglot.score.comparison.paired import compare
from panglot.score.comparison.standings import rank
from panglot.score.summary import score_evidence
from panglot.trust.verify import verify
from tests.helpers.processes import LONGEST
from tests.helpers.tasks import TASKS

MIRACL = TASKS["miracl"]

pytestmark = pytest.mark.usefixtures("no_checks")

PAGES = Path(__file__).parents[1] / "leaderboard_app" / "app_pages"
LANGUAGES = ("sw", "yo")
QUERIES, PASSAGES = 8, 15
TASK = replace(MIRACL, sizes=dict.fromkeys(LANGUAGES, Size(QUERIES, PASSAGES)), relevants=None)


def part(language: str, noise: float) -> Evidence:
    """Of one language: each query near its one passage."""
    random = np.random.default_rng(len(language) + ord(language[0]))
    passages = random.standard_normal((PASSAGES, 6))
    queries = passages[:QUERIES] + noise * random.standard_normal((QUERIES, 6))
    pool = Pool.of(
        [language],
        [Query(f"{language}:q{n}", "", language, f"{language}:q{n}") for n in range(QUERIES)],
        [Candidate(f"{language}:{n:02}", "", language) for n in range(PASSAGES)],
        [Judgement(f"{language}:q{n}", f"{language}:{n:02}") for n in range(QUERIES)],
    )
    return collect_evidence(pool, DenseScores(queries, passages), depth=10)


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, the first the better one."""
    folder = tmp_path_factory.mktemp("submissions")
    record = TaskRecord(
        name=TASK.name,
        fingerprint="0" * 64,
        headline=TASK.headline,
        languages=LANGUAGES,
        queries=TASK.queries,
        candidates=TASK.candidates,
    )
    for name, noise in (("good", 0.2), ("poor", 2.0)):
        evidence = together([part(language, noise) for language in LANGUAGES])
        card = RandomVectors().card.model_copy(update={"name": name})
        scores = score_evidence(evidence, TASK.headline, draws=1000)
        Result(ResultRecord.of(record, card, scores, [], provenance(RandomVectors(), {})), evidence, TASK.name).save(
            folder
        )
    return folder


@pytest.fixture(scope="module")
def files(submissions: Path) -> list[Path]:
    return sorted(submissions.glob("*/miracl.json"))


def said(view: RenderableType) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(view)
    return " ".join(captured.get().split())


def test_result_of_divided_pool_is_verified(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (TASK,))
    for file in files:
        assert verify(file).findings == ()
        assert read_result_record(file).divided


def test_empty_tables_give_the_reason(files: list[Path]) -> None:
    result = read_result_record(files[0])
    assert f"miracl: {DIVIDED}" in said(score_table([result]))
    assert DIVIDED in said(bias_table(result))
    of_one_pool = result.model_copy(update={"settings": {**result.settings, "multi": result.settings["mono"]}})
    assert "no query has relevant candidates in several languages" in said(bias_table(of_one_pool))
    for view in (score_table([result]), pair_matrix(result)):
        assert "nan" not in said(view)


def test_only_mono_is_tested(files: list[Path]) -> None:
    comparison = compare(*map(read_evidence, files), "ndcg@10", draws=1000)
    assert (comparison.by_setting.cells, comparison.by_language.cells, comparison.by_pair.cells) == (1, 2, 2)
    assert comparison.divided
    view = said(comparison_view(replace(comparison, task="miracl", models=("good", "poor")), matrix=True))
    assert DIVIDED in view
    assert "good is better in mono." in view
    assert "nan" not in view


def test_models_are_ranked_by_mono(files: list[Path]) -> None:
    models = {file.parent.name: read_evidence(file) for file in files}
    assert [model.name for model in rank(models, "ndcg@10", "mono").models] == ["good@1", "poor@1"]


@pytest.mark.parametrize("page", ["overview", "model", "compare", "queries", "bias"])
def test_each_board_page_gives_the_reason(submissions: Path, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    st.cache_data.clear()
    st.cache_resource.clear()
    monkeypatch.setattr("panglot.data.catalogue.all_tasks", lambda: (TASK,))
    monkeypatch.setattr(sys, "argv", ["app", str(submissions)])
    update(submissions)
    verify_new(submissions)
    opened = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=LONGEST)
    opened.query_params["task"] = "miracl"
    opened.run()
    assert not opened.exception
    told = [info.value for info in opened.info]
    assert DIVIDED in told or any("they need parallel candidates" in text for text in told)
    headings = {heading.value for heading in opened.subheader}
    assert not headings & {"Quality against bias", "What the top 10 is made of", "Every pair of languages"}
    note = ":material/info:"
    captions = [caption.value for caption in opened.caption if not caption.value.startswith(note)]
    assert page == "bias" or not any("pool of all" in caption for caption in captions)
