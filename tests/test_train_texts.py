"""Distinct texts: numbered once each, with one fold for those that differ only in case."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panglot.train.data import texts
from panglot.train.data.texts import TextStore

TEXTS = st.lists(st.sampled_from(["a", "A", "b", "Straße", "STRASSE", "strasse", "ǆ", "Ǆ", "", "ｂ"]), max_size=40)


@given(added=TEXTS)
def test_texts_are_numbered_in_the_order_of_their_first_occurrence(added: list[str]) -> None:
    store = TextStore()
    numbers = [number for part in (added[:9], added[9:]) for number in store.add(part).tolist()]
    distinct = list(dict.fromkeys(added))
    assert numbers == [distinct.index(text) for text in added]
    found = store.texts()
    assert list(found) == found[:] == distinct
    assert [found[number] for number in numbers] == added
    folds = store.fold.tolist()
    assert [folds[i] == folds[j] for i in numbers for j in numbers] == [
        one.casefold() == other.casefold() for one in added for other in added
    ]


def test_texts_are_read_in_chunks_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "CHUNK", 30)
    store = TextStore()
    added = [f"text {number}" for number in range(50)]
    assert store.add(added).tolist() == list(range(50))
    found = store.texts()
    assert found[40:3:-9] == added[40:3:-9]
    chunks = list(found.chunks(np.arange(10, 40)))
    assert len(chunks) > 5
    assert [text for _, part in chunks for text in part] == added[10:40]
    assert np.concatenate([places for places, _ in chunks]).tolist() == list(range(10, 40))
    assert store.add(["one more", "text 7"]).tolist() == [50, 7]
    assert list(store.texts()) == [*added, "one more"]
    assert list(found) == added


def test_texts_can_be_sent_to_a_process_that_loads_batches() -> None:
    store = TextStore()
    store.add(["ß", "", "旧桥"])
    assert list(pickle.loads(pickle.dumps(store.texts()))) == ["ß", "", "旧桥"]


def test_store_without_texts_is_empty() -> None:
    store = TextStore()
    assert store.add([]).tolist() == list(store.texts()) == []
    assert store.add([""]).tolist() == [0]
    assert list(store.texts()) == [""]
    with pytest.raises(IndexError):
        store.texts()[1]


def test_texts_are_also_kept_without_case_and_punctuation() -> None:
    store = TextStore()
    store.add(["Old “bridge”!", "?"])
    assert list(store.plain()) == ["old bridge", ""]
