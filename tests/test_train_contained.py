"""Pairs whose passage contains the query of another never share a batch; what a passage repeats is taken out of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.errors import BadData
from panglot.train.data.contained import Entries, find_contained, without_query
from panglot.train.data.pairs import Pairs, PairsBuilder, TextPair
from panglot.train.data.texts import TextStore
from panglot.train.data.training_sets import ntrex, sections
from panglot.train.data.words import normalised
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.steps.batches import BatchDrawer

LANGUAGES = ("de", "en")


def pairs_of(entries: list[TextPair], cloze: float = 0.0, apart: bool = True) -> Pairs:
    builder = PairsBuilder(LANGUAGES)
    builder.add_texts("ntrex", entries, cloze, apart)
    return builder.build()


def recipe(kind: str, batch: int, seed: int = 1) -> Recipe:
    content: dict[str, Any] = {"name": "x", "seed": seed, "languages": list(LANGUAGES), "text": {"kind": "static"}}
    content |= {"data": [{"name": "ntrex"}], "sampler": {"kind": kind}, "training": {"batch": batch}}
    return make_recipe(content)


def kept_apart(*entries: tuple[int, str, str, str]) -> set[tuple[int, int]]:
    """The pairs of groups that must not share a batch; an entry is a group, a language, a query and a passage."""
    groups, languages, queries, passages = zip(*entries, strict=True)
    store = TextStore()
    query, passage = store.add(queries), store.add(passages)
    known = (*LANGUAGES, "zh")
    language = np.array([known.index(name) for name in languages])
    marks = find_contained(Entries(np.array(groups), language, query, passage), store.plain(), known)
    bars = {(one, other) for one in marks for other in marks if marks[one].barred & marks[other].own and one != other}
    assert bars == {(other, one) for one, other in bars}
    return {(one, other) for one, other in bars if one < other}


def contained(*texts: tuple[str, str], language: str = "en") -> set[tuple[int, int]]:
    return kept_apart(*((group, language, query, passage) for group, (query, passage) in enumerate(texts)))


@pytest.mark.parametrize(
    ("query", "passage", "language", "there"),
    [
        ("Old bridge", "The “old” bridge: it was closed.", "en", True),
        ("bridge", "Many bridges.", "en", False),
        ("ridge", "The bridge.", "en", False),
        ("the old bridge was closed at night", "Then the old bridge was closed at night, they said.", "en", True),
        ("the old bridge was closed at night", "Then the old bridge was closed at noon.", "en", False),
        ("ein Haus", "Das ist ein Haus.", "de", True),
        ("旧桥", "那座旧桥关闭了。", "zh", True),
        ("那座旧桥在暴风雨之后关闭了", "昨天，那座旧桥在暴风雨之后关闭了。", "zh", True),
        ("那座旧桥在暴风雨之后关闭了", "昨天，那座旧桥在暴风雨之后重建了。", "zh", False),
        ("桥", "那座旧桥关闭了。", "zh", False),
        ("?!", "What?!", "en", False),
    ],
)
def test_query_is_found_by_whole_words(query: str, passage: str, language: str, there: bool) -> None:
    assert contained((query, "nothing"), ("other", passage), language=language) == ({(0, 1)} if there else set())


def test_own_passage_and_other_languages_are_not_looked_at() -> None:
    assert contained(("who", "who is it")) == set()
    assert kept_apart((0, "en", "Haus", "x"), (1, "de", "y", "ein Haus")) == set()


WORDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=5).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), max_size=8), st.sampled_from(["en", "zh"]))
def test_search_finds_what_a_look_at_every_pair_finds(texts: list[tuple[str, str]], language: str) -> None:
    def holds(passage: str, query: str) -> bool:
        if language == "zh":
            return len(query.replace(" ", "")) > 1 and query.replace(" ", "") in passage.replace(" ", "")
        return f" {query} " in f" {passage} "

    expected = {
        (min(one, other), max(one, other))
        for one, (_, passage) in enumerate(texts)
        for other, (query, _) in enumerate(texts)
        if one != other and holds(passage, query)
    }
    assert not texts or contained(*texts, language=language) == expected


def meeting(pairs: Pairs, rows: list[int]) -> list[tuple[int, int]]:
    """Pairs of rows of which one's passage contains the other's query, in any language that both groups have."""
    by_group: dict[int, set[tuple[int, str, str]]] = {}
    for row in np.flatnonzero(pairs.query_language == pairs.passage_language).tolist():
        texts = normalised([pairs.texts[pairs.query[row]], pairs.texts[pairs.whole[row]]])
        by_group.setdefault(int(pairs.keys[row, 0]), set()).add((int(pairs.query_language[row]), *texts))
    groups = [by_group[int(pairs.keys[row, 0])] for row in rows]
    return [
        (one, other)
        for one, holding in enumerate(groups)
        for other, asking in enumerate(groups)
        if one != other
        for language, _, passage in holding
        for spoken, query, _ in asking
        if language == spoken and f" {query} " in f" {passage} "
    ]


ASKED = st.sampled_from(["one", "two", "three", "four", "five six"])


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.tuples(ASKED, st.lists(ASKED, max_size=3)), min_size=12, max_size=30),
    kind=st.sampled_from(["mono", "cross", "mixed"]),
    seed=st.integers(0, 2**31),
)
def test_no_batch_has_a_passage_with_the_query_of_another(
    texts: list[tuple[str, list[str]]], kind: str, seed: int
) -> None:
    entries = [
        TextPair(str(n), x, f"{query} {n % 6}", f"about {n} {' '.join(f'{part} {n % 5}' for part in parts)}")
        for n, (query, parts) in enumerate(texts)
        for x in ("de", "en")
    ]
    pairs = pairs_of(entries)
    chosen = recipe(kind, 4, seed)
    try:
        drawer = BatchDrawer(pairs, chosen)
    except BadData:  # too few that may meet
        return
    for step in range(4):
        batch = drawer.draw(step)
        assert len(set(batch.rows)) == 4
        assert not meeting(pairs, batch.rows)
        assert drawer.draw(step) == batch


@pytest.mark.parametrize("kind", ["mono", "cross"])
@pytest.mark.parametrize("adapter", [ntrex, sections])
def test_real_documents_share_no_batch_with_their_own_sentences(adapter: Any, kind: str, real_data: Path) -> None:
    """Neighbours in a news document, of which one's passage holds the other's sentence, and headings that recur."""
    documents = Counter[str]()
    entries = []
    for entry in adapter():
        document = entry.group.rpartition(":")[0]
        if entry.language in ("de", "en") and (document in documents or len(documents) < 12):
            documents[document] += 1
            entries.append(entry)
    together, apart = pairs_of(entries, apart=False), pairs_of(entries)
    chosen = recipe(kind, 12)
    met = {
        name: sum(len(meeting(pairs, BatchDrawer(pairs, chosen).draw(step).rows)) for step in range(5))
        for name, pairs in (("together", together), ("apart", apart))
    }
    assert met["together"] > 0
    assert met["apart"] == 0


@pytest.mark.parametrize(
    ("query", "passage", "language", "left"),
    [
        ("It rained.", "The sun set. It rained. All slept.", "en", "The sun set. All slept."),
        ("Café", "Café, coffee house, tea", "en", "coffee house, tea"),
        ("Go", "Google, going", "en", "Google, going"),
        ("Go", "Go, golang", "en", "golang"),
        ("下雨了。", "太阳落了。 下雨了。 都睡了。", "zh", "太阳落了。 都睡了。"),
        ("下雨了", "昨天下雨了吗", "zh", "昨天 吗"),
        ("It rained.", "It rained.", "en", "It rained."),
        ("It rained.", "It rained. It rained. …", "en", "It rained. It rained. …"),
        ("it rained.", "The sun set. It rained.", "en", "The sun set. It rained."),
        (" ", "a b", "en", "a b"),
    ],
)
def test_query_is_taken_out_of_its_passage(query: str, passage: str, language: str, left: str) -> None:
    assert without_query(query, passage, language, 1.0) == left
    assert without_query(query, passage, language, 0.0) == passage


def test_share_of_passages_without_their_query() -> None:
    shown = [without_query(f"q {n}", f"before q {n} after", "en", 0.9) for n in range(2000)]
    assert sum(text == "before after" for text in shown) == pytest.approx(1800, abs=60)
    assert shown == [without_query(f"q {n}", f"before q {n} after", "en", 0.9) for n in range(2000)]


def test_only_pairs_in_one_language_lose_their_query() -> None:
    entries = [TextPair("0", x, f"{x} asks", f"{x} before. {x} asks. {x} after.") for x in ("de", "en")]
    pairs = pairs_of(entries, cloze=1.0)
    shown = {(pairs.texts[q], pairs.texts[p]) for q, p in zip(pairs.query, pairs.passage, strict=True)}
    assert shown == {
        ("de asks", "de before. . de after."),
        ("en asks", "en before. . en after."),
        ("de asks", "en before. en asks. en after."),
        ("en asks", "de before. de asks. de after."),
    }
    assert pairs.texts.take(pairs.texts_of(LANGUAGES.index("en"))) == ["en asks", "en before. en asks. en after."]
    same = pairs.query_language == pairs.passage_language
    assert len(set(pairs.keys[~same, 3].tolist() + pairs.keys[same, 3].tolist())) == 2


def test_news_sentences_are_seldom_copies_of_their_passage(real_data: Path) -> None:
    entries = [entry for entry in ntrex() if entry.language == "en"]
    pairs = pairs_of(entries, cloze=0.9)
    copied = np.mean([pairs.texts[q] in pairs.texts[p] for q, p in zip(pairs.query, pairs.passage, strict=True)])
    assert copied == pytest.approx(0.1, abs=0.025)
