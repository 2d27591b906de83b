"""The formats that a task file can name as its `reader`: built-in ones and those of installed packages."""

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
from panglot.data.readers.pairs import PART, read_pairs
from panglot.data.readers.retrieval import read_retrieval
from panglot.errors import PanglotError, UnknownName, in_our_words, spelled

GROUP = "panglot.readers"
"""Entry point group in which packages register a `Format`."""

Gives: TypeAlias = Literal["pool", "captions", "questions", "retrieval"]


class Format(NamedTuple):
    """A file format and its reader.

    `read` is called with the path of each part and the settings of the task file, which are its keyword-only
    parameters. It returns a `Pool`; some built-in formats return captions, from which three pools are made, or the
    questions of a corpus. `files` has the file name of each part. A name with `{language}` is read once per language;
    if it is the only part, the paths are keyed by language.
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
    "pairs": Format(read_pairs, {PART: "pairs.csv"}),
    "retrieval": Format(read_retrieval, {}, "retrieval"),
    "storybooks": Format(read_storybooks, IMAGES_AND_TEXTS, "captions"),
}


def find_format(name: str) -> Format:
    """Return the format with this name; built-in formats take precedence.

    :raises UnknownName: no format has this name; the message suggests the nearest names.
    :raises PanglotError: the format of an installed package cannot be imported, or is not a `Format`.
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
        raise PanglotError(f"The entry point {name} in {GROUP} must be a Format, not {found!r}.")
    return found


def with_settings(found: Format, settings: Mapping[str, Any]) -> Callable[[Mapping[str, Path]], Any]:
    """Return the reader of a format with these settings applied.

    :raises UnknownName: the reader does not have a setting.
    :raises ValueError: a value does not have the type of the setting.
    """
    from pydantic import TypeAdapter, ValidationError

    parameters = inspect.signature(found.read).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    values = {}
    for name, value in settings.items():
        if name not in known:
            raise UnknownName("setting", name, known, "" if known else "This reader has no settings.")
        hints = get_type_hints(found.read, localns={"Pool": Any})  # readers import it for type checkers only
        try:
            values[name] = TypeAdapter(hints.get(name, Any)).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            raise ValueError(f"{name} {in_our_words(error.errors()[0]['msg'])}") from error
    return partial(found.read, **values) if values else found.read
