"""Names of result files: short, safe on every file system, distinct, and known before a run.

    xquad-r.json                            a task in all its languages
    xquad-r.de-en.json                      in some of its languages
    belebele.26-languages-0f3a9c51.json     in so many, or with such names, that the list does not fit
    my-data.b1946ac9.json                   a task whose own name cannot be that of a file

Wherever a name is changed, the start of its sha256 keeps it apart from others. No two names differ in case only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from panglot.data.task import Task
from panglot.encode.card import ModelCard
from panglot.files import DEVICES

CARD = "card.json"
RECORD = "verified.json"
"""What verification found, at the root of a folder of submissions."""
REPORTED = ".reported.json"
"""End of the name of a file with scores that were reported elsewhere."""
NO_RESULTS = (REPORTED, ".attestation.json")
"""Ends of the names of JSON files that stand beside results and are none."""

LONGEST_TASK = 50
LONGEST_LANGUAGES = 60
LONGEST_MODEL = 150
LONGEST_STATE = 80
"""Characters; with every suffix a name stays below the 255 bytes that file systems allow."""

_TASK = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[_-][A-Z][a-z]{3})?")
"""A code that can be told from its neighbours in a list joined by hyphens: `de`, `zh-Hans`, `tha_Thai`."""
_RESERVED = re.compile(rf"card|verified|{DEVICES}")
"""The card beside the results, the record of verification, and devices of Windows."""


def result_stem(task: str, languages: Sequence[str] | None = None) -> str:
    """The name of a result file without its suffix: ASCII, at most 112 characters; `languages` is None for all.

    Different tasks and choices of languages have different stems, in case-insensitive file systems too.
    """
    stem = task if _is_plain(task) else f"{_safe_task(task)}.{_digest(task)}"
    if languages is None:
        return stem
    listed = "-".join(languages)
    if len(listed) <= LONGEST_LANGUAGES and languages and all(map(_LANGUAGE.fullmatch, languages)):
        return f"{stem}.{listed}"
    noun = "language" if len(languages) == 1 else "languages"
    return f"{stem}.{len(languages)}-{noun}-{_digest(*languages)}"


def stem_of(task: Task, languages: Sequence[str] = ()) -> str:
    """The stem of a task's result in some of its languages, or in all if none or all of them are named."""
    return result_stem(task.name, None if set(languages) in (set(), set(task.languages)) else languages)


def result_folder(root: Path, model: ModelCard) -> Path:
    """Where the results of a model in one state belong, `<org>__<model>@<revision>` below `root`.

    What was changed of its configuration follows the revision: `…@1a2b+precision-bf16`.
    """
    name = _short(_slug(model.name.replace("/", "__")), LONGEST_MODEL)
    state = _short("+".join(_slug(part) for part in (model.revision, *model.settings)), LONGEST_STATE)
    return root / f"{name}@{state}"


def is_result_name(name: str) -> bool:
    """Whether a file of that name in a model's folder is a result."""
    return name.endswith(".json") and name not in (CARD, RECORD) and not name.endswith(NO_RESULTS)


def _is_plain(task: str) -> bool:
    return len(task) <= LONGEST_TASK and bool(_TASK.fullmatch(task)) and not _RESERVED.fullmatch(task)


def _safe_task(task: str) -> str:
    """A readable start for a name that cannot stand as it is."""
    name = re.sub(r"[^a-z0-9]+", "-", task.lower())[: LONGEST_TASK - 10].strip("-")
    return f"{name}-task" if _RESERVED.fullmatch(name) else name or "task"


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "unnamed"


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 9].rstrip('.-+')}-{_digest(name)}"


def _digest(*names: str) -> str:
    return hashlib.sha256("\0".join(names).encode(errors="surrogatepass")).hexdigest()[:8]
