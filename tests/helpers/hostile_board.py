"""Submissions that are accepted although every text in them that a stranger chooses means something to a browser.

Each of `TEXTS` stands as the name of a model, a licence, an organisation, a note, a prompt and a machine, and as the
name of a task, of its languages and of its queries and candidates.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from panglot.encode.card import ModelCard
from panglot.results.naming import result_stem
from panglot.results.result import Result
from panglot.results.result_record import ResultRecord, TaskRecord
from panglot.results.run_record import RunRecord
from panglot.score.metrics import NAMES
from panglot.score.summary import score_evidence
from panglot.trust.submission import card_of, write_card

TEXTS = {
    "markup": (
        "**b** [c](javascript:pwned) ![i](//evil.example) http://evil.example a@evil.example "
        '<img src=x onerror="pwned=1">'
        " :material/delete: :red[r] :smile: :streamlit: $\\frac{1}{2}$ a->b"
    ),
    "expression": "datum['x'].y[0]:Q{{7*7}}%(x)s\\",
    "long": "W" * 180,
}
"""Printable ASCII, as the names of models must be."""

ANY_SCRIPT = {"any script": "مرحبا שלום 漢字 " + ("a" + "\u0301\u0336" * 5) * 20 + " nan"}
"""What tasks, languages and notes may hold besides."""


def write_hostile(root: Path, result: Result, kind: str) -> Path:
    """Write a result with the text of this kind in all places below `root`, and its card; say where."""
    text = (TEXTS | ANY_SCRIPT)[kind]
    name = f"{TEXTS.get(kind, kind)} {result.model.name}"
    evidence = result.evidence
    languages = tuple(f"{text} {number}" for number, _ in enumerate(evidence.languages))
    evidence = replace(
        evidence,
        languages=languages,
        query_ids=tuple(f"{text} {id_}" for id_ in evidence.query_ids),
        candidate_ids=tuple(f"{text} {id_}" for id_ in evidence.candidate_ids),
    )
    data = _with_text(result.record.model_dump(mode="json"), text, name)
    data["task"] |= {"name": text, "languages": languages}
    task = TaskRecord.model_validate(data["task"])
    model, run = ModelCard.model_validate(data["model"]), RunRecord.model_validate(data["run"])
    scores = score_evidence(evidence, task.headline, NAMES)
    record = ResultRecord.of(task, model, scores, result.record.curve, run)
    path = Result(record, evidence, result_stem(text)).save(root)
    stated: dict[str, Any] = {
        "name": name,
        "organisation": name,
        "licence": name,
        "contact": text[:200].strip(),
        "link": "https://evil.example/#<b>javascript:pwned</b>",
        "parameters": 10**14,
        "max_length": 10**8,
    }
    write_card(path.parent, card_of(record.model, [text], stated))
    return path


def _with_text(data: dict[str, Any], text: str, name: str) -> dict[str, Any]:
    """A record with the text in every place that is not computed, and the largest numbers."""
    model = dict.fromkeys(("revision", "library", "licence"), name) | {"name": f"org/{name}"[:200], "backend": text}
    data["model"] |= model | {"note": f"{text}\n{text}", "prompts": {"query": text, "passage": f"{text}\n"}}
    run = dict.fromkeys(("platform", "processor", "panglot", "python"), text)
    run |= {"packages": {text: text}, "seconds": {text: 1e12}, "peak_memory_mib": 2**31 - 1, "cores": 2**31 - 1}
    data["run"] |= run | {"encoding": None}
    return data
