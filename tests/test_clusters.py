"""Clusters: what was drawn together, from the readers to the evidence file; no fingerprint depends on them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from panglot.data.load import read_pool
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.belebele import parallel_pool
from panglot.data.readers.captions import Caption, ImageText, Shown, image_to_text, mixed, text_to_image
from panglot.data.readers.lareqa import sentence_pool
from panglot.errors import BadData
from panglot.results.evidence_file import read_evidence, write_evidence
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.score.bias.selection import statistics
from panglot.score.comparison.contributions import contributions
from panglot.score.summary import score_evidence
from tests.helpers.images import image_of, numbered
from tests.helpers.scores import FixedScores
from tests.helpers.tasks import TASKS


def pool_of(*queries: Query) -> Pool:
    return Pool.of(("de", "en"), queries, [Candidate("c", "", "en")], [Judgement(query.id, "c") for query in queries])


def test_without_a_cluster_a_query_is_drawn_with_its_group() -> None:
    pool = pool_of(
        Query("q1", "", "de", "g2"), Query("q2", "", "en", "g2"), Query("q3", "", "en", "g1", cluster="a"),
        Query("q4", "", "en", "g3", cluster="a"),
    )  # fmt: skip
    assert pool.clusters == ("g2", "g2", "a", "a")
    assert pool.cluster.tolist() == [1, 1, 0, 0]
    assert pool.only(["en"]).clusters == ("g2", "a", "a")


def test_queries_of_one_group_in_two_clusters_are_refused() -> None:
    with pytest.raises(BadData, match="Queries of group 'g' are in two clusters, 'a' and 'b'"):
        pool_of(Query("q1", "", "de", "g", cluster="a"), Query("q2", "", "en", "g", cluster="b"))
    with pytest.raises(BadData, match="Queries of group 'g' are in two clusters, 'a' and 'g'"):
        pool_of(Query("q1", "", "de", "g", cluster="a"), Query("q2", "", "en", "g"))


def test_the_fingerprint_does_not_depend_on_clusters() -> None:
    apart = pool_of(Query("q1", "", "de", "g"), Query("q2", "", "en", "h"))
    together = pool_of(Query("q1", "", "de", "g", cluster="a"), Query("q2", "", "en", "h", cluster="a"))
    assert apart.fingerprint == together.fingerprint


def squad(folder: Path, language: str, articles: list[list[str]]) -> Path:
    """A file with a paragraph of one sentence for each article, which these questions ask about."""
    data = [
        {
            "title": f"{language} {number}",
            "paragraphs": [
                {
                    "context": "A sentence.",
                    "sentence_breaks": [[0, 11]],
                    "qas": [{"id": asks, "question": asks, "answers": [{"answer_start": 0}]} for asks in questions],
                }
            ],
        }
        for number, questions in enumerate(articles)
    ]
    path = folder / f"{language}.json"
    path.write_text(json.dumps({"data": data}), encoding="utf-8")
    return path


def test_articles_with_shared_questions_form_one_cluster(tmp_path: Path) -> None:
    """`de 0` and `en 1` share b, `en 1` and `es 0` share c; the others stand alone."""
    paths = {
        "de": squad(tmp_path, "de", [["a", "b"], ["f"]]),
        "en": squad(tmp_path, "en", [["e"], ["b", "c"]]),
        "es": squad(tmp_path, "es", [["c", "d"], ["e"]]),
    }
    for order in permutations(paths):
        pool = sentence_pool({language: paths[language] for language in order})
        cluster = dict(zip(pool.groups, pool.clusters, strict=True))
        assert cluster == {"a": "a", "b": "a", "c": "a", "d": "a", "e": "e", "f": "f"}


def test_questions_of_one_linked_article_are_a_cluster(tmp_path: Path) -> None:
    rows = [("w/one", 1), ("w/one", 2), ("w/two#history", 1), ("w/two#today", 1)]
    for language in ("de", "en"):
        lines = [
            {"link": link, "question_number": number, "flores_passage": link, "question": "?"} for link, number in rows
        ]
        (tmp_path / language).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    pool = parallel_pool({language: tmp_path / language for language in ("de", "en")})
    assert pool.clusters[:4] == ("w/one", "w/one", "w/two", "w/two")
    assert len(set(pool.groups)) == 4


def test_captions_are_drawn_with_their_picture_or_story() -> None:
    files = [image_of(numbered(number)) for number in range(4)]
    images = [
        Shown("cover", files[0], "page", cluster="story"), Shown("page", files[1], "page", cluster="story"),
        Shown("next", files[2], "next", cluster="story"), Shown("other", files[3], "other"),
    ]  # fmt: skip
    captions = [Caption(f"{x}:{shown.id}:0", shown.id, x, f"{shown.id} {x}") for x in ("de", "en") for shown in images]
    for pool in (direction(ImageText(images, captions)) for direction in (text_to_image, image_to_text, mixed)):
        cluster = dict(zip(pool.groups, pool.clusters, strict=True))
        assert cluster == {"cover": "story", "page": "story", "next": "story", "other": "other"}


@pytest.mark.usefixtures("real_data")
@pytest.mark.parametrize(
    ("name", "groups", "clusters"),
    [("starter", 52, 26), ("xquad-r", 1190, 48), ("mlqa-r", 1148, 520), ("emoji-t2i", 426, 426),
     ("storybooks-t2i", 107, 9)],
)  # fmt: skip
def test_clusters_of_the_real_data(name: str, groups: int, clusters: int) -> None:
    pool = read_pool(TASKS[name])
    assert pool.fingerprint == TASKS[name].fingerprint
    assert (len(set(pool.groups)), len(set(pool.clusters))) == (groups, clusters)


@pytest.fixture
def evidence() -> Evidence:
    """Two languages, 12 questions, three to an article."""
    random = np.random.default_rng(3)
    names = [(x, n) for x in ("de", "en") for n in range(12)]
    pool = Pool.of(
        ("de", "en"),
        [Query(f"{x}:q{n:02}", "", x, f"q{n:02}", cluster=f"a{n // 3}") for x, n in names],
        [Candidate(f"{x}:c{n:02}", "", x) for x, n in names],
        [Judgement(f"{x}:q{n:02}", f"{y}:c{n:02}") for x, n in names for y in ("de", "en")],
    )
    return collect_evidence(pool, FixedScores(random.random((24, 24))))


def test_clusters_travel_through_the_evidence_file(evidence: Evidence, tmp_path: Path) -> None:
    write_evidence(tmp_path / "a.json", evidence)
    assert (read_evidence(tmp_path / "a.json").cluster == evidence.cluster).all()
    assert evidence.cluster.tolist() == [n // 3 for n in range(12)] * 2


def test_clusters_are_numbered_anew_where_queries_leave(evidence: Evidence) -> None:
    part = replace(evidence, cluster=evidence.cluster * 2 + 1).only(["en"])
    assert part.cluster.tolist() == [n // 3 for n in range(12)]


def test_contributions_are_sums_over_the_queries_of_a_cluster(evidence: Evidence) -> None:
    by_cluster = contributions(evidence, "map")
    by_question = contributions(replace(evidence, cluster=evidence.group), "map")
    assert by_cluster.total == pytest.approx(by_question.total.reshape(4, 3, -1).sum(axis=1))
    assert (by_cluster.count == by_question.count.reshape(4, 3, -1).sum(axis=1)).all()


def test_clusters_change_intervals_and_no_value(evidence: Evidence) -> None:
    fine, coarse = (
        score_evidence(replace(evidence, cluster=numbers), "map") for numbers in (evidence.group, evidence.group // 2)
    )
    assert (fine.clusters, coarse.clusters) == (12, 6)
    for name in fine.bias:
        assert fine.bias[name].value == pytest.approx(coarse.bias[name].value, abs=1e-12)
    for setting, scores in fine.settings.items():
        for metric, score in scores.items():
            assert score.value == pytest.approx(coarse.settings[setting][metric].value, abs=1e-12)
    assert fine.settings["multi"]["map"][1:] != coarse.settings["multi"]["map"][1:]


def test_a_score_says_that_too_few_clusters_are_behind_it(evidence: Evidence) -> None:
    """Four articles: values, and no interval; nor for a language that only one article asks in."""
    scores = score_evidence(evidence, "map")
    assert scores.settings["mono"]["map"].low is None
    assert scores.languages["de"]["multi"]["map"].high is None
    single = replace(evidence, cluster=np.where(evidence.query_language == 0, 12, evidence.group))
    mixed_up = score_evidence(single, "map")
    assert mixed_up.languages["de"]["multi"]["map"].low is None
    assert mixed_up.languages["en"]["multi"]["map"].low is not None
    assert mixed_up.settings["multi"]["map"].low is None


def test_statistics_do_not_look_at_clusters(evidence: Evidence) -> None:
    names = frozenset({"consistency@10", "top_hit_right_own", "english_pool_own_first"})
    one, other = (statistics(each, [each], names) for each in (evidence, replace(evidence, cluster=evidence.group)))
    assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)
