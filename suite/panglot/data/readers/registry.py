"""The formats that a task file can name as its reader: those of the suite, and those that installed packages offer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_type_hints

from panglot.data.readers.belebele import parallel_pool
from panglot.data.readers.captions import read_emoji, read_hub, read_storybooks
from panglot.data.readers.folder import read_folder
from panglot.data.readers.lareqa import sentence_pool
from panglot.data.readers.miracl import read_questions
from panglot.errors import PanglotError, UnknownName, spelled

GROUP = "panglot.readers"
"""Entry points by which a package offers a `Format` of its own."""

Gives: TypeAlias = Literal["pool", "captions", "questions"]


class Format(NamedTuple):
    """Files of one kind, and what reads them.

    `read` is called with the path of each part and the settings of the task file, which are its keyword-only
    parameters. It gives a `Pool`; of the suite's own formats some give captions, from which three pools are made, or
    the questions of a corpus. `files` names the file of each part; one with `{language}` in its name is read for each
    language, and if it is the only part, its paths are by language.
    """

    read: Callable[..., Any]
    files: Mapping[str, str]
    gives: Gives = "pool"


IMAGES_AND_TEXTS = {"images": "images.parquet", "texts": "texts.parquet"}

FORMATS: Mapping[str, Format] = {
    "beir": Format(read_folder, {name: name for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv")}),
    "belebele": Format(parallel_pool, {"text": "{language}.jsonl"}),
    "emoji": Format(read_emoji, IMAGES_AND_TEXTS, "captions"),
    "hub-captions": Format(read_hub, IMAGES_AND_TEXTS, "captions"),
    "lareqa": Format(sentence_pool, {"text": "{language}.json"}),
    "miracl": Format(
        read_questions,
        {
            "topics": "topics/topics.miracl-v1.0-{language}-dev.tsv",
            "qrels": "qrels/qrels.miracl-v1.0-{language}-dev.tsv",
        },
        "questions",
    ),
    "storybooks": Format(read_storybooks, IMAGES_AND_TEXTS, "captions"),
}


def find_format(name: str) -> Format:
    """The format of that name; the suite's own come first.

    :raises UnknownName: there is none; the nearest names.
    :raises PanglotError: an installed package offers it, but it cannot be imported, or is not a `Format`.
    """
    from importlib.metadata import entry_points

    if name in FORMATS:
        return FORMATS[name]
    offered = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in offered:
        raise UnknownName("reader", name, {**FORMATS, **offered})
    entry = offered[name]
    try:
        found = entry.load()
    except Exception as error:
        raise PanglotError(f"The reader {name} ({entry.value}) cannot be imported. {spelled(error)}") from error
    if not isinstance(found, Format):
        raise PanglotError(f"The entry point {name} of {GROUP} must give a Format, not {found!r}.")
    return found


def with_settings(found: Format, settings: Mapping[str, Any]) -> Callable[[Mapping[str, Path]], Any]:
    """The function that reads a format, with these settings.

    :raises UnknownName: it has no such setting.
    :raises ValueError: a value has another type than the setting.
    """
    from pydantic import TypeAdapter, ValidationError

    parameters = inspect.signature(found.read).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    hints = get_type_hints(found.read) if settings else {}
    values = {}
    for name, value in settings.items():
        if name not in known:
            raise UnknownName("setting", name, known, "" if known else "This reader has no settings.")
        try:
            values[name] = TypeAdapter(hints.get(name, Any)).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            raise ValueError(f"{name} {error.errors()[0]['msg'].replace('Input should', 'must')}") from error
    return partial(found.read, **values) if values else found.read
