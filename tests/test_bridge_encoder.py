"""The bridge of `examples/`: a real encoder of texts and images, end to end on the real test splits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from suite.encoder import Model, load_model, sees_images
from suite.metrics import parse_metric
from suite.ranking import collect_evidence
from suite.scoring import score_pool
from suite.sources import read_pool
from tests.conftest import TASKS

KNOWN = ("ar", "de", "en", "es", "fr", "ja", "ko", "ru", "th", "tr", "zh")
"""Languages that USE was trained on."""


@pytest.fixture(scope="module")
def bridge(data_dir: Path) -> Iterator[Model]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANGLOT_DATA", str(data_dir))
        patch.syspath_prepend(str(Path(__file__).parents[1]))
        yield load_model("py:examples.bridge_encoder:make")


@pytest.mark.parametrize(
    ("task", "each", "together"),
    [
        ("emoji-t2i", 12, 15),  # found in the top 10 at chance: 10 of 426
        ("storybooks-t2i", 1.25, 1.6),  # 10 of 107; the texts tell a story and do not describe the picture
    ],
)
def test_it_is_above_chance_in_every_language_that_use_knows(
    bridge: Model, data_dir: Path, task: str, each: float, together: float
) -> None:
    """Recall in the top 10 is so many times what chance gives, in each language and on average over them."""
    assert sees_images(bridge)
    assert bridge.card.name == "bridge-use-efficientnet-lite0"
    pool = read_pool(TASKS[task], data_dir=data_dir)
    evidence = collect_evidence(pool, score_pool(bridge, pool).scores)
    found = parse_metric("recall@10").compute(evidence.together) / (10 / len(pool.candidates))
    asked = [language for language in KNOWN if language in pool.languages]
    by_language = {name: found[pool.queries.language == pool.languages.index(name)] for name in asked}
    times = {name: float(values.mean()) for name, values in by_language.items() if len(values)}
    assert min(times.values()) > each, times
    assert np.mean(list(times.values())) > together, times
