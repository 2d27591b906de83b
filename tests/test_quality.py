"""What is odd about data before anything is encoded: each kind is found by its ids, and clean data has none."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panglot.data.duplicates import near_duplicates
from panglot.data.load import read_pool
from panglot.data.own import own_task
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.quality import KINDS, Kind, inspect
from tests.helpers.command import json_of, panglot

QUERIES = [Query("q1", "who?", "en", "1"), Query("q2", "wer?", "de", "1")]
PASSAGES = [Candidate("d1", "The blue whale is the largest animal.", "en"), Candidate("d2", "Der Wal ist es.", "de")]
JUDGED = [("q1", "d1"), ("q1", "d2"), ("q2", "d1"), ("q2", "d2")]


def _pool(
    queries: Iterable[Query] = (), passages: Iterable[Candidate] = (), judged: Iterable[tuple[str, str]] = JUDGED
) -> Pool:
    found = [Judgement(*pair) for pair in judged]
    return Pool.of(("de", "en", "fr"), [*QUERIES, *queries], [*PASSAGES, *passages], found)


def _found(pool: Pool) -> dict[Kind, tuple[tuple[str, ...], ...]]:
    return {finding.kind: finding.examples for finding in inspect(pool).findings}


def test_clean_data_has_no_findings(starter: Pool) -> None:
    assert (_found(starter), _found(_pool())) == ({}, {})


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (
            _pool([Query("q3", "qui?", "fr", "1")], judged=[*JUDGED, ("q3", "d1"), ("q3", "d2")]),
            {"languages without candidates": (("fr",),)},
        ),
        (_pool(passages=[Candidate("d3", " \n", "en")]), {"empty passages": (("d3",),)}),
        (
            _pool(passages=[Candidate("d3", "\u200b", "en"), Candidate("d4", "\u200b", "de")]),
            {"empty passages": (("d4",), ("d3",))},
        ),
        (
            _pool(passages=[Candidate("d3", "the BLUE whale  is the largest animal.", "en")]),
            {
                "duplicate passages": (("d3", "d1"),),
                "probable false negatives: copies": (("q1", "d3", "d1"), ("q2", "d3", "d1")),
            },
        ),
        (
            _pool(
                passages=[Candidate("d3", "The blue whale is the largest animals.", "en")],
                judged=[*JUDGED, ("q1", "d3")],
            ),
            {
                "near-duplicate passages": (("d3", "d1"),),
                "probable false negatives: copies": (("q2", "d3", "d1"),),
                "probable false negatives: translations": (("q2", "d3"),),
            },
        ),
        (
            _pool(passages=[Candidate("d3", "Der Wal ist es.", "fr")]),
            {"passages in several languages": (("d3", "d2"),)},
        ),
        (
            _pool([Query("q3", "Who?", "en", "3")], judged=[*JUDGED, ("q3", "d1")]),
            {"duplicate queries": (("q3", "q1"),)},
        ),
        (_pool(passages=[Candidate("d3", "who?", "en")]), {"queries equal to passages": (("q1", "d3"),)}),
        (_pool(judged=JUDGED[:3]), {"probable false negatives: translations": (("q2", "d2"),)}),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_each_kind_is_found_by_its_ids(pool: Pool, expected: dict[Kind, tuple[tuple[str, ...], ...]]) -> None:
    assert _found(pool) == expected
    assert set(expected) <= set(KINDS)


def test_excluded_copy_of_a_query_is_no_finding() -> None:
    pool = _pool(
        [Query("q3", "which?", "en", "3", excluded="d3")], [Candidate("d3", "which?", "en")], [*JUDGED, ("q3", "d1")]
    )
    assert _found(pool) == {}


def _jaccard(one: str, other: str) -> float:
    first, second = ({text[n : n + 5] for n in range(max(len(text) - 4, 1))} for text in (one, other))
    return len(first & second) / len(first | second)


@given(st.lists(st.text("ab ", min_size=1, max_size=30), max_size=8))
def test_joined_texts_are_similar_and_nothing_alike_is_missed(texts: list[str]) -> None:
    plain = [" ".join(text.split()) for text in texts]
    found = near_duplicates(texts)
    for group in found:
        for place in group:
            assert any(_jaccard(plain[place].ljust(5), plain[n].ljust(5)) >= 0.8 for n in group if n != place)
    group_of = {place: number for number, group in enumerate(found) for place in group}
    for one, text in enumerate(plain):
        for other in range(one):
            if text and text == plain[other]:
                assert group_of[one] == group_of[other]


def test_changed_words_are_found_among_many_passages() -> None:
    """A twentieth of what is promised for 100,000 passages: 60 CPU-seconds."""
    chance = random.Random(0)
    words = ["".join(chance.choices("abcdefghijklmnop", k=7)) for _ in range(3000)]
    texts = [" ".join(chance.choices(words, k=70)) for _ in range(5000)]
    for place in range(100):
        changed = texts[place].split()
        changed[chance.randrange(70)] = "changed"
        texts[2500 + place] = " ".join(changed)
    before = time.process_time()
    assert near_duplicates(texts) == [[place, 2500 + place] for place in range(100)]
    assert time.process_time() - before < 60 / 20 * 2


def test_text_that_most_passages_share_costs_no_more(tmp_path: Path) -> None:
    """Each pair of copies was listed once, and a set of all queries was made for each query."""
    boilerplate = "All our offices are open from nine to five and no call is ever answered on a Sunday. " * 2
    rows = "".join(f"question {number},{boilerplate}{number}\n" for number in range(2000))
    (tmp_path / "mine.csv").write_text("query,passage\n" + rows, encoding="utf-8")
    before = time.process_time()
    found = {finding.kind: finding for finding in inspect(read_pool(own_task(str(tmp_path / "mine.csv")))).findings}
    assert time.process_time() - before < 5
    assert found["near-duplicate passages"].total == 1999
    assert found["probable false negatives: copies"].total == 2000
    assert found["probable false negatives: copies"].examples[0] == ("q2", "p3", "p2")


def test_exit_status_and_json(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("query,passage,language\nwho?,a whale,en\n", encoding="utf-8")
    (tmp_path / "odd.csv").write_text(
        "query,passage,language\nwho?,a whale,en\n,A Whale,en\nno?,,en\n", encoding="utf-8"
    )
    done = panglot("check", "./good.csv", cwd=tmp_path)
    assert (done.returncode, "Nothing odd was found." in done.stdout) == (0, True)
    (tmp_path / "noted.csv").write_text("query,passage,language\nwho?,a whale,xx\n", encoding="utf-8")
    done = panglot("check", "./noted.csv", cwd=tmp_path)
    assert "Note: Unknown language codes" in done.stderr
    assert (done.returncode, "Nothing was found beyond the notes." in done.stdout) == (0, True)
    done = panglot("check", "./odd.csv", cwd=tmp_path)
    assert done.returncode == 1
    assert "duplicate passages: 1" in done.stdout
    assert "p3 = p2" in done.stdout
    assert panglot("check", "./none.csv", cwd=tmp_path).returncode == 2
    (read,) = json_of("check", str(tmp_path / "odd.csv"), code=1)
    assert read["languages"] == {"en": {"queries": 1, "unanswered": 1, "candidates": 2, "relevant": 1}}
    assert [finding["kind"] for finding in read["findings"]] == [
        "duplicate passages",
        "probable false negatives: copies",
    ]
