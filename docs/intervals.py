"""How much wider intervals are when what was drawn together is drawn together: python docs/intervals.py.

Prints the table of docs/metrics.md, from the evidence in submissions/ and the data of the tasks, in the folder that
PANGLOT_DATA names.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.catalogue import all_tasks
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.readers.lareqa import join_articles
from panglot.results.evidence_file import read_evidence
from panglot.retrieve.evidence import Evidence
from panglot.score.bootstrap import draw_clusters, effective, scores_of
from panglot.score.comparison.contributions import SETTINGS, contributions, members_of

ROOT = Path(__file__).parents[1]
TASKS = ("xquad-r", "mlqa-r")
MODELS = ("bm25", "use-multilingual", "multilingual-e5-small-q4")
HEADING = ("task", "what", "value", "by question", "by paragraph", "by article", "paragraph", "article")


def rows() -> Iterator[tuple[str, ...]]:
    """`multi` of each model and the difference of the last two, each with the interval over all three units.

    The last columns say how many times as large as by question the standard deviation of the draws is.
    """
    for task in (task for name in TASKS for task in all_tasks() if task.name == name):
        pool = read_pool(task)
        units = {"question": pool.group, "paragraph": paragraphs(pool), "article": pool.cluster}
        drawn = {name: _drawn(_evidence(name, task.name), units) for name in MODELS}
        drawn[f"{MODELS[2]} − {MODELS[1]}"] = {
            unit: (drawn[MODELS[2]][unit][0] - draws, clusters) for unit, (draws, clusters) in drawn[MODELS[1]].items()
        }
        for name, by_unit in drawn.items():
            scores = [scores_of(*found).tolist() for found in by_unit.values()]
            spread = [float(np.std(draws[1:])) for draws, _ in by_unit.values()]
            intervals = (f"{low:.3f} to {high:.3f}" for _, low, high in scores)
            factors = (f"{each / spread[0]:.2f}" for each in spread[1:])
            yield (task.name, name, f"{scores[0][0]:.3f}", *intervals, *factors)


def paragraphs(pool: Pool) -> Ints:
    """The paragraph of each query's answer as a number, [queries]; those of several languages that ask the same joined.

    The id of a sentence is `language:paragraph:place`.
    """
    asked: Mapping[str, list[str]] = defaultdict(list)
    for query, candidate in zip(pool.query.tolist(), pool.candidate.tolist(), strict=True):
        asked[pool.candidates.ids[candidate].rpartition(":")[0]].append(pool.groups[query])
    joined = join_articles(asked.values())
    return np.unique([joined[group] for group in pool.groups], return_inverse=True)[1]


def _evidence(model: str, task: str) -> Evidence:
    folder = next(path for path in (ROOT / "submissions").glob(f"{model}@*") if "+" not in path.name)
    return read_evidence(folder / f"{task}.json")


def _drawn(evidence: Evidence, units: Mapping[str, Ints]) -> dict[str, tuple[Floats, Floats]]:
    """By unit, `multi` of the data and its draws, [1 + draws], and the effective number of clusters."""
    members = members_of(len(evidence.languages))[[SETTINGS.index("multi")]]
    found = {}
    for unit, numbers in units.items():
        added = contributions(replace(evidence, cluster=numbers), "map")
        draws = added.drawn(draw_clusters(len(added.total)), members)[:, 0]
        found[unit] = (draws, effective(added.weights(members))[0])
    return found


def main() -> None:
    """Print the table."""
    table = [HEADING, ("---",) * len(HEADING), *rows()]
    sys.stdout.write("".join(f"| {' | '.join(row)} |\n" for row in table))


if __name__ == "__main__":
    main()
