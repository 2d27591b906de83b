"""What the kinds of sources in a task file share: fields, and the table itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from panglot.data.task import Build
from panglot.fields import LONGEST_LINE, Label

LANGUAGE = "{language}"
"""Placeholder for the language code in file, split and column names."""


LONGEST_PART = 200
"""Bytes of one part of a path; most file systems allow 255, and unfinished files have longer names."""

_URL = re.compile(r"https?://[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*(:[0-9]{1,5})?([/?#][!-~]*)?")


def check_path(path: str) -> str:
    """Return the path if it stays inside the folder of the task file.

    :raises ValueError: the path is absolute, contains `..`, a backslash or a colon, as drives and URLs do, or has a
        part that is too long for a file name.
    """
    if any(len(part.encode()) > LONGEST_PART for part in path.split("/")):
        raise ValueError(f"has a part of more than {LONGEST_PART} bytes, which is too long for the name of a file")
    if PurePosixPath(path).is_absolute() or ".." in path.split("/") or "\\" in path or ":" in path:
        raise ValueError("must be a relative path inside the folder of this file")
    return path


def check_url(url: str) -> str:
    """Return the address if it is one on the web, with a plain host.

    :raises ValueError: it is not.
    """
    if not _URL.fullmatch(url):
        raise ValueError("must be an address on the web, such as https://example.org/data")
    return url


Url: TypeAlias = Annotated[str, Field(max_length=LONGEST_LINE), AfterValidator(check_url)]
"""An address on the web, with a plain host; `file://` would read any file of whoever runs the task."""
Inside: TypeAlias = Annotated[Label, AfterValidator(check_path)]
HubId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
Revision: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
"""A commit hash, since branches and tags can move."""


class Table(BaseModel):
    """A table of a task file: unknown keys are rejected, and values must have exactly the declared types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Built(Table):
    """Files that are built in the user's cache."""

    reencoded: bool = False
    """Whether images are re-encoded, so that they may differ from the published ones."""

    @property
    def form(self) -> str:
        """The keys that say what is taken from the origin and how, as JSON."""
        form = self.model_dump_json(exclude={"kind", "hub", "revision", "reencoded"}, exclude_defaults=True)
        return "" if form == "{}" else form

    @property
    def page(self) -> str:
        """URL of a page about the data set; empty if none."""
        return ""

    def builder(self, languages: Sequence[str]) -> Build:
        """Return the function that builds the files for these languages."""
        raise NotImplementedError
