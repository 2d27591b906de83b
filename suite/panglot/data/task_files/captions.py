"""Task files of captioned images: one task per direction, for the file and for each variant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from panglot.data.image import IMAGES
from panglot.data.readers.captions import reader
from panglot.data.readers.registry import Format
from panglot.data.source_base import Table
from panglot.data.task import Direction, Size, Source, Task
from panglot.data.task_files.form import Sets, TaskFile, reader_of
from panglot.data.task_files.tables import CaptionsTable, DirectionTable, Language, Slug
from panglot.fields import Label, Positive, Text
from panglot.toml import TomlFile

TITLES: Mapping[Direction, str] = {
    "t2i": "text → image",
    "i2t": "image → text",
    "mixed": "text → images and texts in one pool",
}


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
        read = reader_of(document, ("settings",), found, self.settings)
        sets = {self.name: self._tasks(self.name, self, source, read)}
        for name, variant in self.variants.items():
            settings = {**self.settings, **variant.settings}
            read = reader_of(document, ("variants", name, "settings"), found, settings)
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


def _sizes(
    languages: Mapping[str, CaptionsTable], images: int, direction: Direction, own_locale_queries: int | None
) -> dict[str, Size]:
    """Return the numbers of queries and candidates of each caption language and of the images."""
    sizes = {}
    for language, row in sorted(languages.items()):
        queries = 0 if direction == "i2t" else own_locale_queries or row.captions
        sizes[language] = Size(queries, 0 if direction == "t2i" else row.captions)
    return {**sizes, IMAGES: Size(images, 0) if direction == "i2t" else Size(0, images)}
