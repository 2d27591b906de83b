"""Queries that nothing answers: how well the best score tells them from the others, and where that is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panglot.data.load import read_pool
from panglot.data.own import own_task
from panglot.encode.load import load_model
from panglot.errors import BadResult
from panglot.evaluate.run import run
from panglot.results.result import Result
from panglot.results.result_record import read_result_record
from panglot.retrieve.ranking import best_scores, collect_evidence
from panglot.score.no_answer import separate
from panglot.trust.rescore import rescore
from panglot.trust.verify import verify
from tests.helpers.command import json_of, panglot
from tests.helpers.scores import FixedScores
from tests.helpers.tasks import TASKS

few = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=9)


@given(few, few)
def test_auroc_and_threshold_are_those_by_hand(answered: list[float], unanswered: list[float]) -> None:
    found = separate(np.array(answered), np.array(unanswered), np.arange(len(answered)), draws=2)
    wins = [(a > u) + (a == u) / 2 for a in answered for u in unanswered]
    assert found.auroc.value == pytest.approx(np.mean(wins))

    def shares(threshold: float) -> tuple[float, float]:
        return np.mean([a >= threshold for a in answered]).item(), np.mean([u < threshold for u in unanswered]).item()

    assert (found.kept, found.rejected) == pytest.approx(shares(found.threshold))
    best = max(sum(shares(threshold)) for threshold in (*answered, *unanswered))
    assert found.kept + found.rejected == pytest.approx(best)


def test_perfect_and_useless_scores_have_their_values() -> None:
    high, low, cluster = np.linspace(5, 6, 20), np.linspace(0, 1, 30), np.arange(20)
    perfect, reverse = separate(high, low, cluster), separate(low[:20], high, cluster)
    assert (perfect.auroc, perfect.threshold, perfect.kept, perfect.rejected) == ((1, 1, 1), 3, 1, 1)
    assert (reverse.auroc.value, reverse.kept + reverse.rejected) == (0, 1)


def test_interval_covers_the_true_value() -> None:
    """Of two normal distributions one standard deviation apart, it is 0.760."""
    covered = 0
    for seed in range(40):
        chance = np.random.default_rng(seed)
        score = separate(chance.normal(1, size=80), chance.normal(size=60), np.arange(80), draws=200).auroc
        assert score.low is not None
        assert score.high is not None
        covered += score.low <= 0.760 <= score.high
    assert covered >= 34


ROWS = """query,passage,language,group
Which animal is the largest?,The blue whale is the largest animal.,en,size
Which bird cannot fly?,The ostrich cannot fly.,en,bird
How old is the tree?,,en,
Welches Tier ist das größte?,Der Blauwal ist das größte Tier.,de,size
Wie alt ist der Baum?,,de,
Quel arbre est vieux?,,fr,
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "mine.csv").write_text(ROWS, encoding="utf-8")
    return str(tmp_path / "mine.csv")


def test_queries_without_an_answer_are_measured_apart(own: str, tmp_path: Path) -> None:
    result = run(own_task(own), load_model("bm25"))
    assert result.record.task.queries == 3
    found = result.record.no_answer
    assert found is not None
    assert (found.overall.answered, found.overall.unanswered) == (3, 3)
    assert {name: (one.answered, one.unanswered) for name, one in found.languages.items()} == {
        "de": (1, 1),
        "en": (2, 1),
    }
    read = read_result_record(result.save(tmp_path / "out")).no_answer
    assert read is not None
    assert read.overall.threshold == pytest.approx(found.overall.threshold)


def test_metrics_do_not_depend_on_queries_without_an_answer(own: str, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(
        "\n".join(row for row in ROWS.split("\n") if "?,," not in row), encoding="utf-8"
    )
    with_them, without = (run(own_task(str(path)), load_model("bm25")) for path in (own, tmp_path / "other.csv"))
    assert with_them.record.settings["mono"] == without.record.settings["mono"]
    assert without.record.no_answer is None
    assert with_them.record.task.fingerprint != without.record.task.fingerprint


def test_best_score_is_that_of_the_top_list(own: str) -> None:
    pool = read_pool(own_task(own))
    scores = FixedScores(np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32))
    assert best_scores(pool, scores).tolist() == collect_evidence(pool, scores).top_score[:, 0].tolist()


def test_table_and_json_show_them(own: str, tmp_path: Path) -> None:
    (read,) = json_of("run", "bm25", "--tasks", own, "--out", str(tmp_path / "out"))
    assert read["no_answer"]["overall"]["unanswered"] == 3
    done = panglot("show", str(tmp_path / "out"))
    assert "mine, queries without an answer" in done.stdout
    assert "German (de)" in done.stdout


def test_rescore_keeps_what_does_not_follow_from_evidence(own: str, tmp_path: Path) -> None:
    path = run(own_task(own), load_model("bm25")).save(tmp_path / "out")
    before = read_result_record(path).no_answer
    assert rescore(path, metrics=["recall@3"]).changed
    assert read_result_record(path).no_answer == before is not None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda found: found["languages"].update(xx=found["overall"]), "no_answer.languages"),
        (lambda found: found["overall"].update(auroc=[1.5, None, None]), "no_answer.auroc"),
        (lambda found: found["overall"].update(auroc=[0.5, 0.9, 0.1]), "no_answer.auroc"),
        (lambda found: found["overall"].update(unanswered=0), "no_answer"),
        (lambda found: found["overall"].update(kept=2), "no_answer.overall.kept"),
    ],
)
def test_odd_record_is_refused(change: Callable[[Any], None], fault: str, own: str, tmp_path: Path) -> None:
    path = run(own_task(own), load_model("bm25")).save(tmp_path / "out")
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record["no_answer"])
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BadResult, match=fault):
        read_result_record(path)


def test_verify_refuses_the_claim_on_a_task_whose_queries_all_have_an_answer(own: str, tmp_path: Path) -> None:
    claimed = run(own_task(own), load_model("bm25")).record.no_answer
    assert claimed is not None
    result = run(TASKS["starter"], load_model("bm25"), languages=["de", "en"])
    record = result.record.model_copy(update={"no_answer": claimed.model_copy(update={"languages": {}})})
    path = Result(record, result.evidence, result.stem).save(tmp_path / "out")
    assert verify(path).findings == ("no_answer: every query of this task has an answer.",)
