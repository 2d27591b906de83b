"""Read a task file: one data set as TOML, and the tasks that it defines.

A file defines one task; a set of captioned images defines one per direction. Each variant defines the same again, named
`NAME-VARIANT`. Errors name the line and the key. `docs/add-a-task.md` explains every key.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from panglot.data.readers.registry import Format, find_format
from panglot.data.task_files.captions import CaptionsFile
from panglot.data.task_files.corpus import CorpusFile
from panglot.data.task_files.form import Sets, TaskFile
from panglot.data.task_files.pool import PoolFile
from panglot.data.task_files.retrieval import RetrievalFile
from panglot.errors import PanglotError
from panglot.toml import TomlFile, read_toml

FORMS: Mapping[str, type[TaskFile]] = {
    "pool": PoolFile,
    "captions": CaptionsFile,
    "questions": CorpusFile,
    "retrieval": RetrievalFile,
}
"""The form of a task file, by what its reader returns."""


def read_task_file(path: Path) -> Sets:
    """Read the tasks of a file, by set; the data itself is not read.

    :raises MissingData: the file does not exist.
    :raises BadData: the file is not a valid task file; the message names file, line and key.
    """
    document = read_toml(path)
    found = _format(document)
    return document.parse(FORMS[found.gives]).sets(document, found)


def _format(document: TomlFile) -> Format:
    """Return the format given by the key `reader`, which determines the other keys."""
    name = document.content.get("reader")
    if not isinstance(name, str):
        raise document.error(("reader",), "this key is missing or is not a string; it names the format of the files")
    try:
        return find_format(name)
    except PanglotError as error:
        raise document.error(("reader",), str(error)) from error
