"""Task files: one data set as TOML, and the tasks that it defines.

A file defines one task; a set of captioned images defines one per direction. Each variant defines the same again, named
`NAME-VARIANT`. Errors name the line and the key. `docs/add-a-task.md` explains every key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from panglot.data.corpus import StreamedTask, refuse_to_hold
from panglot.data.hub_sources import HubRetrieval
from panglot.data.image import IMAGES
from panglot.data.readers.captions import reader
from panglot.data.readers.miracl import HubCorpora
from panglot.data.readers.registry import Format, find_format, with_settings
from panglot.data.source_base import Table
from panglot.data.sources import AnySource, list_files
from panglot.data.task import Direction, Reader, Reference, Size, Source, Task
from panglot.data.task_tables import (
    CaptionsTable,
    CorpusLanguageTable,
    CorpusTable,
    CountsTable,
    DirectionTable,
    Hash,
    Language,
    LanguageTable,
    ReferenceTable,
    RetrievalTable,
    Slug,
)
from panglot.errors import PanglotError
from panglot.fields import Label, Positive, Sha256, Text
from panglot.toml import TomlFile, read_toml

TITLES: Mapping[Direction, str] = {
    "t2i": "text → image",
    "i2t": "image → text",
    "mixed": "text → images and texts in one pool",
}

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
        tasks = [self._task(self.name, self, _read(document, ("settings",), found, self.settings), document, found)]
        if self.lite:
            if unknown := [name for name in self.lite.languages if name not in self.languages]:
                raise document.error(("lite", "languages", unknown[0]), "is not a language of the task")
            read = _read(document, ("lite", "settings"), found, {**self.settings, **self.lite.settings})
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


class CaptionsVariant(Table):
    """The same images with other captions; `settings` are added to those of the file."""

    title: Label
    note: Text = ""
    settings: Mapping[str, Any] = {}
    languages: Annotated[dict[Language, CaptionsTable], Field(min_length=1)]
    directions: Annotated[dict[Direction, DirectionTable], Field(min_length=1)]


class CaptionsFile(TaskFile):
    """A set of captioned images: one task per direction, for the file and for each variant."""

    images: Positive
    languages: Annotated[dict[Language, CaptionsTable], Field(min_length=1)]
    directions: Annotated[dict[Direction, DirectionTable], Field(min_length=1)]
    variants: Mapping[Slug, CaptionsVariant] = {}

    def sets(self, document: TomlFile, found: Format) -> Sets:
        """Return one set for the file and one for each variant."""
        source = self.listed(document, found, dict.fromkeys(self.languages, ""))
        read = _read(document, ("settings",), found, self.settings)
        sets = {self.name: self._tasks(self.name, self, source, read)}
        for name, variant in self.variants.items():
            settings = {**self.settings, **variant.settings}
            read = _read(document, ("variants", name, "settings"), found, settings)
            sets[f"{self.name}-{name}"] = self._tasks(f"{self.name}-{name}", variant, source, read)
        return sets

    def _tasks(self, name: str, tier: CaptionsFile | CaptionsVariant, source: Source, read: Any) -> tuple[Task, ...]:
        return tuple(
            Task(
                name=f"{name}-{direction}",
                title=f"{tier.title}: {TITLES[direction]}",
                sizes=_sizes(tier.languages, self.images, direction, table.own_locale_queries),
                source=source,
                reader=reader(read, direction, table.own_locale_queries is not None),
                fingerprint=table.fingerprint,
                relevants=table.relevants,
                direction=direction,
                note=tier.note,
                **self.facts(),
            )
            for direction, table in tier.directions.items()
        )


class CorpusVariant(Table):
    """Another tier: other passages, and possibly fewer queries."""

    title: Label
    note: Text = ""
    fingerprint: Hash = ""
    relevants: Positive | None = None
    corpus: CorpusTable
    languages: Annotated[dict[Language, CountsTable], Field(min_length=1)]


class CorpusFile(TaskFile):
    """Questions about streamed corpora, one corpus per language: one task for the file and one for each variant."""

    fingerprint: Hash = ""
    relevants: Positive | None = None
    corpus: CorpusTable
    languages: Annotated[dict[Language, CorpusLanguageTable], Field(min_length=1)]
    variants: Mapping[Slug, CorpusVariant] = {}

    def sets(self, document: TomlFile, found: Format) -> Sets:
        """Return one task for the file and one for each variant."""
        source = self.listed(document, found, {name: row.sha256 for name, row in self.languages.items()})
        _read(document, ("settings",), found, self.settings)
        tiers: dict[str, CorpusFile | CorpusVariant] = {self.name: self}
        tiers |= {f"{self.name}-{name}": variant for name, variant in self.variants.items()}
        return {name: (self._task(name, tier, source, found),) for name, tier in tiers.items()}

    def _task(self, name: str, tier: CorpusFile | CorpusVariant, source: Source, found: Format) -> Task:
        corpora = HubCorpora(tier.corpus.hub, tier.corpus.revision)
        rows: dict[str, CountsTable] = dict(sorted(tier.languages.items()))
        return StreamedTask(
            name=name,
            title=tier.title,
            sizes={language: Size(row.queries, row.candidates) for language, row in rows.items()},
            source=source,
            reader=refuse_to_hold,
            fingerprint=tier.fingerprint,
            relevants=tier.relevants,
            note=tier.note,
            characters={language: row.characters for language, row in rows.items()},
            questions=partial(found.read, tier=corpora if tier.corpus.selects_queries else None),
            corpus=corpora,
            **self.facts(),
        )


class RetrievalFile(TaskFile):
    """A retrieval set of the Hub: one task if its languages are parallel or share a corpus, else one per language."""

    source: HubRetrieval
    fingerprint: Hash = ""
    images: bool = False
    """Whether the candidates are images, such as pages of documents."""
    languages: Annotated[dict[Language, RetrievalTable], Field(min_length=1)]

    def sets(self, document: TomlFile, found: Format) -> Sets:
        """Return the tasks as one set."""
        read = _read(document, ("settings",), found, self.settings)
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
            sizes=retrieval_sizes(rows, self.images, str(self.settings.get("candidates", ""))),
            source=Source(
                self.name,
                tables.files(),
                url=self.source.page,
                build=tables,
                hub=self.source.pinned,
            ),
            reader=read,
            fingerprint=self.fingerprint,
            relevants=single.relevants if single else None,
            note=self.note,
            **self.facts(),
        )


def retrieval_sizes(rows: Mapping[str, RetrievalTable], images: bool, spoken: str = "") -> dict[str, Size]:
    """Return the sizes of a retrieval set; images, and a shared corpus in the language `spoken`, are counted once."""
    if not (images or spoken):
        return {name: Size(row.queries, row.candidates) for name, row in rows.items()}
    sizes = {name: Size(row.queries, 0) for name, row in rows.items()}
    own, shared = spoken or IMAGES, next(iter(rows.values())).candidates
    return {**sizes, own: Size(sizes[own].queries if own in sizes else 0, shared)}


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


def _read(document: TomlFile, keys: tuple[str, ...], found: Format, settings: Mapping[str, Any]) -> Reader:
    try:
        return with_settings(found, settings)
    except (PanglotError, ValueError) as error:
        raise document.error(keys, str(error)) from error


def _sizes(
    languages: Mapping[str, CaptionsTable], images: int, direction: Direction, own_locale_queries: int | None
) -> dict[str, Size]:
    """Return the numbers of queries and candidates of each caption language and of the images."""
    sizes = {}
    for language, row in sorted(languages.items()):
        queries = 0 if direction == "i2t" else own_locale_queries or row.captions
        sizes[language] = Size(queries, 0 if direction == "t2i" else row.captions)
    return {**sizes, IMAGES: Size(images, 0) if direction == "i2t" else Size(0, images)}
