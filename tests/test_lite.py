"""Lite tiers: smaller tasks on the same files, chosen by a committed script, and marked as parts of a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from docs import lite
from panglot.data.catalogue import suites
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.task_files.read import read_task_file
from panglot.errors import BadData
from panglot.files import data_from
from tests.helpers.tasks import TASKS


@pytest.mark.parametrize("name", ["belebele", "xquad-r"])
def test_lite_tier_is_marked_and_reads_files_of_the_whole(name: str) -> None:
    whole, tier = TASKS[name], TASKS[f"{name}-lite"]
    assert (tier.whole, whole.whole) == (name, "")
    assert tier.source.folder == whole.source.folder
    assert tier.source.files.items() <= whole.source.files.items()
    assert set(tier.languages) == set(tier.source.files)
    assert tier not in [task for suite in suites().values() for task in suite.tasks]


def test_languages_of_belebele_lite_are_those_that_the_script_chooses() -> None:
    assert list(TASKS["belebele-lite"].languages) == lite.choose()


def test_models_to_choose_by_and_held_out_share_no_organisation() -> None:
    sides = [{model.model.partition("/")[0].lower() for model in side} for side in lite.halves()]
    assert not sides[0] & sides[1]
    assert min(map(len, lite.halves())) > 70


def test_belebele_lite_orders_held_out_models_as_the_whole_does() -> None:
    for found in lite.belebele(TASKS["belebele-lite"].languages).values():
        assert found.models > 100
        assert found.spearman > 0.99
        assert found.same_order > 0.99
        assert abs(found.difference) < 0.03


def test_agreement_is_that_by_hand() -> None:
    whole = np.array([0.1, 0.2, 0.3, 0.31])
    found = lite.agreement(np.array([0.2, 0.3, 0.5, 0.4]), whole)
    assert (found.models, found.same_order) == (4, 1)
    assert found.kendall == pytest.approx(4 / 6)
    assert found.spearman == pytest.approx(0.8)
    assert found.difference == pytest.approx(0.1225)


def test_same_paragraph_of_each_article_is_drawn_in_all_languages(xquad_r: Pool, data_dir: Path) -> None:
    with data_from(data_dir):
        part = read_pool(TASKS["xquad-r-lite"])
    assert len(set(part.clusters)) == len(set(xquad_r.clusters)) == 48
    groups = [
        {group for group, language in zip(part.groups, part.queries.language, strict=True) if language == place}
        for place in range(len(part.languages))
    ]
    assert all(group == groups[0] for group in groups)
    assert set(part.candidates.ids) < set(xquad_r.candidates.ids)
    assert set(part.queries.ids) < set(xquad_r.queries.ids)


def test_lite_language_that_the_whole_lacks_is_refused(tmp_path: Path) -> None:
    head = 'name = "mine"\ntitle = "Mine"\nheadline = "map"\nlicence = "CC0 1.0"\nreader = "belebele"\n'
    tables = '[source]\nkind = "folder"\npath = "."\n[languages]\nde = { queries = 1, candidates = 1 }\n'
    tier = '[lite]\ntitle = "Part"\n[lite.languages]\nfr = { queries = 1, candidates = 1 }\n'
    path = tmp_path / "mine.toml"
    path.write_text(head + tables + tier, encoding="utf-8")
    with pytest.raises(BadData, match=r"mine\.toml, line 14: lite\.languages\.fr: is not a language of the task"):
        read_task_file(path)
