"""Task files whose reader returns a pool, and their lite tiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from panglot.data.readers.registry import Format
from panglot.data.source_base import Table
from panglot.data.task import Reader, Size, Task
from panglot.data.task_files.form import Sets, TaskFile, reader_of
from panglot.data.task_files.tables import Hash, Language, LanguageTable
from panglot.fields import Label, Positive, Text
from panglot.toml import TomlFile


class LiteTier(Table):
    """A smaller tier from some of the same files; `settings` are added to those of the file."""

    title: Label
    note: Text = ""
    fingerprint: Hash = ""
    relevants: Positive | None = None
    settings: Mapping[str, Any] = {}
    languages: Annotated[dict[Language, LanguageTable], Field(min_length=1)]


class PoolFile(TaskFile):
    """A task file whose reader returns a pool: one task, and `NAME-lite` if the file has a table `[lite]`."""

    fingerprint: Hash = ""
    relevants: Positive | None = None
    languages: Annotated[dict[Language, LanguageTable], Field(min_length=1)]
    lite: LiteTier | None = None

    def sets(self, document: TomlFile, found: Format) -> Sets:
        """Return the task, and its lite tier if there is one."""
        tasks = [self._task(self.name, self, reader_of(document, ("settings",), found, self.settings), document, found)]
        if self.lite:
            if unknown := [name for name in self.lite.languages if name not in self.languages]:
                raise document.error(("lite", "languages", unknown[0]), "is not a language of the task")
            read = reader_of(document, ("lite", "settings"), found, {**self.settings, **self.lite.settings})
            tasks.append(replace(self._task(f"{self.name}-lite", self.lite, read, document, found), whole=self.name))
        return {task.name: (task,) for task in tasks}

    def _task(self, name: str, tier: PoolFile | LiteTier, read: Reader, document: TomlFile, found: Format) -> Task:
        sizes = dict(sorted(tier.languages.items()))
        return Task(
            name=name,
            title=tier.title,
            sizes={language: Size(row.queries, row.candidates) for language, row in sizes.items()},
            source=self.listed(document, found, {language: self.languages[language].sha256 for language in sizes}),
            reader=read,
            fingerprint=tier.fingerprint,
            relevants=tier.relevants,
            note=tier.note,
            **self.facts(),
        )
