"""Whether emoji are found because others like them were trained on: docs/experiments/lookalikes.json.

    PANGLOT_DATA=FOLDER python -m docs.experiments_lookalikes

A test emoji has a look-alike if a training emoji has nearly its outline (`OVERLAP`) and a word of its English name:
hearts, clocks, faces. nDCG@10 is computed from the evidence in submissions/, apart for emoji with and without a
look-alike.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from panglot.arrays import Floats
from panglot.files import data_root
from panglot.results.evidence_file import read_evidence
from panglot.score.bootstrap import Sample, effective, macro, score_of
from panglot.score.metrics import parse_metric

ROOT = Path(__file__).parents[1]
COUNTS = ROOT / "docs" / "experiments" / "lookalikes.json"
OVERLAP = 0.9
"""Smallest area that two outlines share, over the area of both together."""
SIDE = 32
"""Pixels of a side at which outlines are compared."""
COMMON = {"and", "button", "in", "of", "on", "sign", "the", "with"}
"""Words of names that say nothing about a picture."""
MODELS = ("static-image-1", "transformer-image-1")


def lookalikes(table: Path) -> tuple[set[str], int]:
    """Ids of the test emoji with a look-alike in training, and the number of test emoji."""
    rows = pq.read_table(table, columns=["id", "name_en", "split", "png"]).to_pylist()
    train, test = ([row for row in rows if row["split"] == split] for split in ("train", "test"))
    outlines = [(_outline(row["png"]), _words(row["name_en"])) for row in train]
    found = set()
    for row in test:
        own, words = _outline(row["png"]), _words(row["name_en"])
        if any(words & others and _overlap(own, other) >= OVERLAP for other, others in outlines):
            found.add(row["id"])
    return found, len(test)


def _outline(png: bytes) -> Floats:
    """How much of each pixel is covered, [SIDE, SIDE]."""
    covered = Image.open(io.BytesIO(png)).convert("RGBA").getchannel("A")
    return np.asarray(covered.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64) / 255


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z’]+", name.lower())) - COMMON


def _overlap(one: Floats, other: Floats) -> float:
    return float(np.minimum(one, other).sum() / np.maximum(one, other).sum())


def scores(model: str, alike: set[str]) -> dict[str, list[float | None]]:
    """nDCG@10 with its interval for captions of emoji with a look-alike, and for all others."""
    (path,) = (ROOT / "submissions").glob(f"{model}@*/emoji-t2i.json")
    evidence = read_evidence(path)
    of_alike = np.array([name.partition(":")[2] in alike for name in evidence.candidate_ids])[evidence.candidate]
    asked = np.zeros(evidence.queries, bool)
    asked[evidence.query[of_alike]] = True
    values = parse_metric("ndcg@10").compute(evidence.together)
    sample = Sample(evidence.cluster, evidence.query_language, len(evidence.languages))
    found = {}
    for title, part in (("lookalikes", asked), ("others", ~asked)):
        column = np.where(part, values, np.nan)[:, None]
        drawn, weights = sample.means({title: column})[title][..., 0], sample.weights(column)[..., 0]
        score = score_of(macro(drawn), effective(macro(weights)))
        assert score
        found[title] = [None if number is None else round(number, 4) for number in score]
    return found


def main() -> None:
    """Count and score."""
    alike, images = lookalikes((data_root() or Path()) / "emoji" / "images.parquet")
    found = {"images": images, "lookalikes": len(alike), "ndcg@10": {name: scores(name, alike) for name in MODELS}}
    COUNTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
