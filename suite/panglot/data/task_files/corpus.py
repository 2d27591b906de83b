"""Task files of questions about streamed corpora, one corpus per language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from pydantic import Field

from panglot.data.corpus import StreamedTask, refuse_to_hold
from panglot.data.readers.miracl import HubCorpora
from panglot.data.readers.registry import Format
from panglot.data.source_base import Table
from panglot.data.task import Size, Source, Task
from panglot.data.task_files.form import Sets, TaskFile, reader_of
from panglot.data.task_files.tables import CorpusLanguageTable, CorpusTable, CountsTable, Hash, Language, Slug
from panglot.fields import Label, Positive, Text
from panglot.toml import TomlFile


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
        reader_of(document, ("settings",), found, self.settings)
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
