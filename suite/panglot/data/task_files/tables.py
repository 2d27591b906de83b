"""Tables inside a task file: references, counts per language, directions, corpora."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from panglot.data.image import IMAGES
from panglot.data.source_base import HubId, Revision, Table, Url
from panglot.fields import Count, Label, Line, Positive, Sha256
from panglot.files import DEVICES


def check_language(language: str) -> str:
    """Return the language code of texts unchanged.

    :raises ValueError: the code is reserved for images.
    """
    if language.lower() == IMAGES:
        raise ValueError(f"'{language}' is reserved for images")
    return language


def check_file_name(name: str) -> str:
    """Return the name of a data set, which is also that of its folder, unchanged.

    :raises ValueError: it is the name of a device in Windows.
    """
    if re.fullmatch(DEVICES, name):
        raise ValueError(f"'{name}' is reserved in Windows; choose another name")
    return name


Slug: TypeAlias = Annotated[
    str, Field(pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=40), AfterValidator(check_file_name)
]
"""A name that is a valid file name on every platform."""
Language: TypeAlias = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*$", max_length=40), AfterValidator(check_language)
]
Characters: TypeAlias = Annotated[int, Field(ge=1, le=10**13)]
Hash: TypeAlias = Sha256 | Literal[""]


class ReferenceTable(Table):
    """A work to cite."""

    title: Label
    authors: Line = ""
    year: Annotated[int, Field(ge=1000, le=2999)] | None = None
    venue: Line = ""
    arxiv: Annotated[str, Field(pattern=r"^(\d{4}\.\d{4,5})?$")] = ""
    url: Url | Literal[""] = ""


class LanguageTable(Table):
    """The counts of one language and the SHA-256 of its file, or of each part if it has several."""

    queries: Count
    candidates: Count
    sha256: Hash | Mapping[str, Sha256] = ""


class RetrievalTable(Table):
    """The counts of one language of a retrieval set; `relevants` counts its own judgements."""

    queries: Count
    candidates: Count
    relevants: Positive | None = None


class CaptionsTable(Table):
    """The number of captions in one language of a set of images."""

    captions: Count


class CountsTable(Table):
    """The counts of one language in a tier of a corpus; `characters` is the total length of its passages."""

    queries: Count
    candidates: Count
    characters: Characters


class CorpusLanguageTable(CountsTable):
    """The same, with the SHA-256 of the question files by part."""

    sha256: Hash | Mapping[str, Sha256] = ""


class DirectionTable(Table):
    """One direction of a set of images."""

    fingerprint: Hash = ""
    relevants: Positive | None = None
    own_locale_queries: Positive | None = None
    """Queries per language, if only the first caption in the language of an image's own locale is used as a query."""


class CorpusTable(Table):
    """Location of the passages on the Hugging Face Hub, with a configuration `<language>-corpus` per language."""

    hub: HubId
    revision: Revision
    selects_queries: bool = False
    """Whether the configuration `<language>-queries` selects the queries to use."""
