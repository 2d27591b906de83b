"""Task files of retrieval sets of the Hub, of texts or images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from panglot.data.hub_sources import HubRetrieval
from panglot.data.image import IMAGES
from panglot.data.readers.registry import Format
from panglot.data.task import Reader, Size, Source, Task
from panglot.data.task_files.form import Sets, TaskFile, reader_of
from panglot.data.task_files.tables import Hash, Language, RetrievalTable
from panglot.toml import TomlFile


class RetrievalFile(TaskFile):
    """A retrieval set of the Hub: one task if its languages are parallel or share a corpus, else one per language."""

    source: HubRetrieval
    fingerprint: Hash = ""
    images: bool = False
    """Whether the candidates are images, such as pages of documents."""
    languages: Annotated[dict[Language, RetrievalTable], Field(min_length=1)]

    def sets(self, document: TomlFile, found: Format) -> Sets:
        """Return the tasks as one set."""
        read = reader_of(document, ("settings",), found, self.settings)
        rows = dict(sorted(self.languages.items()))
        if self.source.shared or self.settings.get("parallel"):
            return {self.name: (self._task(self.name, self.title, rows, read),)}
        if asking := [name for name, row in rows.items() if not row.candidates]:
            reason = "has no candidates, which only a language of a parallel set can lack (settings.parallel = true)"
            raise document.error(("languages", asking[0]), reason)
        tasks = [
            self._task(f"{self.name}-{name.lower()}", f"{self.title} ({name})", {name: row}, read)
            for name, row in rows.items()
        ]
        return {self.name: tuple(tasks)}

    def _task(self, name: str, title: str, rows: Mapping[str, RetrievalTable], read: Reader) -> Task:
        asking = () if self.source.shared else tuple(name for name, row in rows.items() if not row.candidates)
        tables = self.source.tables(list(rows), asking)
        single = next(iter(rows.values())) if len(rows) == 1 else None
        return Task(
            name=name,
            title=title,
            sizes=_sizes(rows, self.images, str(self.settings.get("candidates", ""))),
            source=Source(
                self.name,
                tables.files(),
                url=self.source.page,
                build=tables,
                hub=self.source.pinned,
                form=self.source.form,
            ),
            reader=read,
            fingerprint=self.fingerprint,
            relevants=single.relevants if single else None,
            note=self.note,
            **self.facts(),
        )


def _sizes(rows: Mapping[str, RetrievalTable], images: bool, spoken: str = "") -> dict[str, Size]:
    """Return the sizes of a retrieval set; images, and a shared corpus in the language `spoken`, are counted once."""
    if not (images or spoken):
        return {name: Size(row.queries, row.candidates) for name, row in rows.items()}
    sizes = {name: Size(row.queries, 0) for name, row in rows.items()}
    own, shared = spoken or IMAGES, next(iter(rows.values())).candidates
    return {**sizes, own: Size(sizes[own].queries if own in sizes else 0, shared)}
