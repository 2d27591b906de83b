"""The keys of every task file; what its reader returns determines the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from panglot.data.readers.registry import Format, with_settings
from panglot.data.source_base import Table
from panglot.data.sources import AnySource, list_files
from panglot.data.task import Reader, Reference, Source, Task
from panglot.data.task_files.tables import ReferenceTable, Slug
from panglot.errors import PanglotError
from panglot.fields import Label, Sha256, Text
from panglot.toml import TomlFile

Sets: TypeAlias = Mapping[str, tuple[Task, ...]]
"""The tasks of a file, by the name of their set."""


class TaskFile(Table):
    """The keys of every task file."""

    name: Slug
    title: Label
    headline: Annotated[str, Field(pattern=r"^[a-z0-9_/-]+(@[1-9][0-9]*)?$")]
    licence: Label
    note: Text = ""
    references: Mapping[Slug, ReferenceTable] = {}
    reader: str
    settings: Mapping[str, Any] = {}
    source: AnySource
    sha256: Mapping[str, Sha256] = {}
    """SHA-256 of the files that contain all languages, by part."""

    def sets(self, document: TomlFile, found: Format) -> Sets:
        """Return the tasks, by set."""
        raise NotImplementedError

    def listed(self, document: TomlFile, found: Format, hashes: Mapping[str, str | Mapping[str, str]]) -> Source:
        """Return where the files are; `hashes` has the SHA-256 values by language."""
        return list_files(document, self.name, self.source, found.files, self.sha256, hashes)

    def facts(self) -> dict[str, Any]:
        """Return the fields that all tasks of the file share."""
        return {
            "headline": self.headline,
            "licence": self.licence,
            "references": tuple(
                Reference(key, *(getattr(work, name) for name in Reference._fields[1:]))
                for key, work in self.references.items()
            ),
        }


def reader_of(document: TomlFile, keys: tuple[str, ...], found: Format, settings: Mapping[str, Any]) -> Reader:
    """Return the reader of a format with the settings of a file.

    :raises BadData: a setting is wrong; the message names file, line and key.
    """
    try:
        return with_settings(found, settings)
    except (PanglotError, ValueError) as error:
        raise document.error(keys, str(error)) from error
