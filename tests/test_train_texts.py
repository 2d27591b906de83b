"""Distinct texts: numbered once each, with one fold for those that differ only in case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panglot.train.data import texts
from panglot.train.data.texts import TextStore

TEXTS = st.lists(st.sampled_from(["a", "A", "b", "Straße", "STRASSE", "strasse", "ǆ", "Ǆ", "", "ｂ"]), max_size=40)


@given(added=TEXTS)
def test_texts_are_numbered_in_the_order_of_their_first_occurrence(added: list[str]) -> None:
    store = TextStore()
    numbers = [store.add(text) for text in added]
    distinct = list(dict.fromkeys(added))
    assert numbers == [distinct.index(text) for text in added]
    found = store.texts()
    assert list(found) == found[:] == distinct
    assert [found[number] for number in numbers] == added
    folds = store.fold.tolist()
    assert [folds[i] == folds[j] for i in numbers for j in numbers] == [
        one.casefold() == other.casefold() for one in added for other in added
    ]


def test_texts_of_several_buffers_keep_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "CHUNK", 7)
    store = TextStore()
    added = [f"text {number}" for number in range(50)]
    assert [store.add(text) for text in added] == list(range(50))
    assert list(store.texts()) == added
    assert store.texts()[40:3:-9] == added[40:3:-9]
    assert store.add("one more") == 50
    assert list(store.texts()) == [*added, "one more"]
