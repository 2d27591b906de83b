"""The task definitions against the real data: counts, first and last records, parallelism."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from panglot.data.catalogue import all_tasks
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.errors import UnknownName
from tests.helpers.tasks import TASKS

XQUAD_R = dict(ar=1222, de=1276, el=1234, en=1180, es=1215, hi=1244, ru=1219, th=852, tr=1167, vi=1209, zh=1196)
MLQA_R = dict(
    ar=(517, 2545), de=(512, 2362), en=(1148, 6264), es=(500, 1787), hi=(507, 2426), vi=(511, 2828), zh=(504, 2322)
)
COMMON_IDS = {("ar", "de"): 207, ("ar", "es"): 161, ("de", "zh"): 190, ("en", "zh"): 504, ("hi", "vi"): 177}
"""Five cells of the published table of questions that two languages of MLQA-R share."""


def test_xquad_r_has_the_published_counts(xquad_r: Pool) -> None:
    assert dict(zip(xquad_r.languages, xquad_r.sizes.tolist(), strict=True)) == XQUAD_R
    assert np.bincount(xquad_r.queries.language).tolist() == [1190] * 11
    assert (len(xquad_r.queries), len(xquad_r.candidates)) == (13_090, 13_014)


def test_every_xquad_r_question_has_one_relevant_in_each_language(xquad_r: Pool) -> None:
    language = xquad_r.candidates.language[xquad_r.candidate]
    assert (language.reshape(-1, 11) == np.arange(11)).all()
    assert len(set(xquad_r.groups)) == 1190


def test_xquad_r_records(xquad_r: Pool) -> None:
    english = xquad_r.languages.index("en")
    first = int(np.argmax(xquad_r.queries.language == english))
    assert xquad_r.queries.texts[first] == "How many points did the Panthers defense surrender?"
    relevant = xquad_r.candidate[xquad_r.query == first][english]
    assert xquad_r.candidates.ids[relevant] == "en:1:0"
    assert xquad_r.candidates.texts[relevant].startswith("The Panthers defense gave up just 308 points")
    assert xquad_r.candidates.ids[-1].startswith("zh:240:")


def test_mlqa_r_has_the_published_counts(mlqa_r: Pool) -> None:
    queries = np.bincount(mlqa_r.queries.language).tolist()
    found = zip(mlqa_r.languages, queries, mlqa_r.sizes.tolist(), strict=True)
    assert {language: sizes for language, *sizes in found} == {name: list(sizes) for name, sizes in MLQA_R.items()}


def test_mlqa_r_pairs_hold_the_questions_that_both_languages_have(mlqa_r: Pool) -> None:
    asked = mlqa_r.queries.language[mlqa_r.query]
    language = mlqa_r.candidates.language[mlqa_r.candidate]
    for (one, other), count in COMMON_IDS.items():
        for query, candidate in ((one, other), (other, one)):
            here = (asked == mlqa_r.languages.index(query)) & (language == mlqa_r.languages.index(candidate))
            assert here.sum() == count
    assert sorted(np.bincount(np.bincount(mlqa_r.query))[2:].tolist()) == sorted([65 * 2, 263 * 3, 820 * 4])


def test_starter_is_parallel_without_duplicates(starter: Pool) -> None:
    assert (starter.candidates.language[starter.candidate].reshape(-1, 11) == np.arange(11)).all()
    for language in range(11):
        for items in (starter.queries, starter.candidates):
            texts = [text for text, here in zip(items.texts, items.language == language, strict=True) if here]
            assert len(set(texts)) == len(texts) > 50


def test_starter_files_are_squad_with_true_offsets() -> None:
    task = TASKS["starter"]
    for name, _ in task.source.files.values():
        assert task.source.packaged
        articles = json.loads((task.source.packaged / name).read_text(encoding="utf-8"))["data"]
        assert len(articles) >= 24
        for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
            context, breaks = paragraph["context"], paragraph["sentence_breaks"]
            assert [context[start:end] for start, end in breaks] == paragraph["sentences"]
            assert len(breaks) == 3
            assert all(end <= start for (_, end), (start, _) in pairwise(breaks))
            for question in paragraph["qas"]:
                answer = question["answers"][0]
                assert context[answer["answer_start"] :].startswith(answer["text"])


@pytest.mark.usefixtures("real_data")
def test_task_is_read_in_some_languages() -> None:
    pool = read_pool(TASKS["mlqa-r"], ["zh", "de"])
    assert pool.languages == ("de", "zh")
    assert (len(pool.queries), len(pool.candidates)) == (512 + 504, 2362 + 2322)
    with pytest.raises(UnknownName, match=r"mlqa-r has no language 'ru'"):
        read_pool(TASKS["mlqa-r"], ["ru"])


def test_tasks_have_distinct_names_and_fingerprints() -> None:
    known = [task.fingerprint for task in all_tasks() if task.fingerprint]
    assert len({task.name for task in all_tasks()}) == len(all_tasks())
    assert len(set(known)) == len(known) >= 11
