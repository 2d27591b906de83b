"""What the board's words mean, taken from the code that computes the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import metadata

import pandas as pd

from panglot.data.task import Reference, Task
from panglot.retrieve.evidence import COUNTED_ONCE, TIES
from panglot.score.bias import MEASURES
from panglot.score.bootstrap import INTERVALS, ONE_DRAW
from panglot.score.comparison.paired import PERMUTATION_TEST
from panglot.score.comparison.standings import LETTERS, RANK_INTERVALS
from panglot.score.metrics import NAMES, parse_metric

COMMANDS = {
    "A model's scores on a task": "panglot run MODEL --tasks xquad-r --matrix",
    "Every score of a submission, from its evidence": "panglot verify submissions/MODEL@REVISION",
    "The same, with a sample scored again with the model": "panglot verify submissions/MODEL@REVISION --rerun",
    "Scores, bias and languages of a submission": "panglot show submissions/MODEL@REVISION --bias --by-language",
    "Language pairs": "panglot show submissions/MODEL@REVISION --matrix",
    "Rank intervals and letters": "panglot rank submissions --task xquad-r --setting balance",
    "Differences between two models": "panglot compare submissions/ONE@1 submissions/OTHER@1 --matrix",
    "Published results": "panglot import published",
    "The lists of the best 100, for trec_eval": "panglot export submissions/MODEL@REVISION --format trec",
}
"""How to reproduce each kind of number on the board."""

SUBSET = """\
from pathlib import Path
from panglot.results.evidence_file import read_evidence
from panglot.score.summary import score_evidence

evidence = read_evidence(Path("submissions/MODEL@REVISION/xquad-r.json"))
scores = score_evidence(evidence.only(["de", "en"]), "map")
print(scores.settings["multi"]["map"], scores.bias["normalised_rank_distance"])
"""
"""What the board does when a reader chooses the languages in the pool."""


RULES = {
    "Evidence": COUNTED_ONCE,
    "Ties": TIES,
    "Intervals": f"{ONE_DRAW}\n\n{INTERVALS}",
    "Ranks": RANK_INTERVALS,
    "Letters": LETTERS,
    "Differences": PERMUTATION_TEST,
}
"""How numbers come about, by subject, as Markdown."""


def metrics() -> dict[str, str]:
    """The sentence of each metric."""
    return {name: parse_metric(name).sentence for name in NAMES}


def bias_measures() -> dict[str, str]:
    """The sentence of each bias measure."""
    return {measure.name: measure.sentence for measure in MEASURES}


def data(tasks: Sequence[Task]) -> dict[str, str]:
    """Of tasks on the same data their licence, where it is from, and what to know about it, by their names."""
    names: dict[str, list[str]] = {}
    for task in tasks:
        parts = (f"Licence: {task.licence}", task.citation, task.note)
        names.setdefault(" ".join(f"{part.rstrip('.')}." for part in parts if part), []).append(task.name)
    return {", ".join(same): about for about, same in names.items()}


def task_table(tasks: Sequence[Task]) -> pd.DataFrame:
    """A row for each task: what it is, its languages and counts, its headline metric."""
    rows = [
        {
            "task": task.name,
            "what": task.title,
            "languages": len(task.languages) - task.has_images,
            "queries": task.queries,
            "candidates": task.candidates,
            "metric": task.headline,
        }
        for task in tasks
    ]
    return pd.DataFrame(rows)


def bibtex(tasks: Sequence[Task]) -> str:
    """Panglot and every source that a task cites, each once."""
    about = metadata("panglot")
    own = {
        "author": "{Panglot developers}",
        "title": f"{{Panglot}}: {about['Summary'].rstrip('.')}",
        "version": about["Version"],
    }
    works = (work for task in tasks if not task.source.packaged for work in task.references)
    entries = {"panglot": _entry("software", "panglot", own)}
    entries |= {work.key: _entry("misc", work.key, _cited(work)) for work in works}
    return "\n\n".join(entries.values())


def _cited(work: Reference) -> dict[str, str]:
    """The fields of a work in BibTeX."""
    fields = {
        "author": work.authors.replace(" et al.", " and others"),
        "title": f"{{{work.title}}}",
        "year": str(work.year or ""),
        "howpublished": work.venue,
        "eprint": work.arxiv,
        "archiveprefix": "arXiv" if work.arxiv else "",
        "url": work.url,
    }
    return {name: value for name, value in fields.items() if value}


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    return "\n".join([f"@{kind}{{{key},", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"])
