"""The table `[source]` of a task file: where the files of a data set come from."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from panglot.data.builders.emoji import EmojiSources
from panglot.data.builders.storybooks import StorybookSources
from panglot.data.hub_sources import CaptionArchive, HubCaptions, HubRetrieval, HubRows, HubSource
from panglot.data.origins.archive import Archive
from panglot.data.source_base import LANGUAGE, Built, Inside, Table, Url
from panglot.data.task import Build, Source
from panglot.fields import Count, Label, Sha256
from panglot.toml import TomlFile


class Download(Table):
    """Files below one URL; `files` maps parts to file names that differ from the reader's defaults."""

    kind: Literal["download"]
    url: Url
    files: Mapping[str, Inside] = {}


class Folder(Table):
    """Files in a folder beside the task file; `files` maps parts to names that differ from the reader's defaults."""

    kind: Literal["folder"]
    path: Inside
    files: Mapping[str, Inside] = {}


class ArchiveTable(Table):
    """A .tar.gz archive; `sha256` is given if its bytes never change."""

    url: Url
    sha256: Sha256 | Literal[""] = ""

    @property
    def archive(self) -> Archive:
        """The archive itself."""
        return Archive(self.url, self.sha256)


class EmojiArchives(Built):
    """Noto Emoji images, Unicode CLDR annotations, and the emoji groups."""

    kind: Literal["emoji"]
    images: ArchiveTable
    annotations: ArchiveTable
    derived: ArchiveTable
    groups: ArchiveTable
    expected: Count

    def builder(self, languages: Sequence[str]) -> Build:
        """Return the function that builds the emoji data set."""
        return EmojiSources(
            self.images.archive,
            self.annotations.archive,
            self.derived.archive,
            self.groups.archive,
            tuple(languages),
            self.expected,
        ).build


class StoryArchive(ArchiveTable):
    """An archive of stories, and the languages taken from it."""

    languages: Annotated[tuple[Label, ...], Field(min_length=1)]


class StorybookArchives(Built):
    """The image bank and the stories of Global Storybooks."""

    kind: Literal["storybooks"]
    images: ArchiveTable
    texts: tuple[StoryArchive, ...]
    texts_sha256: Sha256

    def builder(self, languages: Sequence[str]) -> Build:
        """Return the function that builds the storybooks data set."""
        texts = {table.archive: table.languages for table in self.texts}
        return StorybookSources(self.images.archive, texts, self.texts_sha256).build


AnySource: TypeAlias = Annotated[
    Download | Folder | HubRows | HubCaptions | CaptionArchive | HubRetrieval | EmojiArchives | StorybookArchives,
    Field(discriminator="kind"),
]


def list_files(
    document: TomlFile,
    name: str,
    source: AnySource,
    parts: Mapping[str, str],
    sha256: Mapping[str, str],
    by_language: Mapping[str, str | Mapping[str, str]],
) -> Source:
    """List the files of a data set: `parts` has the file name of each part, `sha256` and `by_language` the hashes.

    :raises BadData: a part is unknown, a file to download has no hash, or a link leads out of the folder of the file.
    """
    if isinstance(source, CaptionArchive) and (other := sorted(source.captions.keys() ^ by_language.keys())):
        way = ("source", "captions", other[0]) if other[0] in source.captions else ("languages", other[0])
        raise document.error(way, "source.captions and languages must name the same languages")
    renamed = source.files if isinstance(source, Download | Folder) else {}
    _check_parts(document, ("source", "files"), renamed, parts)
    _check_parts(document, ("sha256",), sha256, [part for part, file in parts.items() if LANGUAGE not in file])
    files = {}
    for part, file in {**parts, **renamed}.items():
        if LANGUAGE not in file:
            files[part] = (file, sha256.get(part, ""))
            _check_hash(document, source, files[part], ("sha256", part))
            continue
        for language, hashes in sorted(by_language.items()):
            keys = ("languages", language, "sha256")
            if not isinstance(hashes, str):
                _check_parts(document, keys, hashes, parts)
            elif hashes and len(parts) > 1:
                raise document.error(keys, f"must be a table with the sha256 of {' and '.join(parts)}")
            own = f"{language}.{part}" if len(parts) > 1 else language
            files[own] = (file.replace(LANGUAGE, language), hashes if isinstance(hashes, str) else hashes.get(part, ""))
            _check_hash(document, source, files[own], keys)
    if isinstance(source, Folder):
        _check_links(document, source, (file for file, _ in files.values()))
    return Source(
        name,
        files,
        url=source.url if isinstance(source, Download) else source.page if isinstance(source, Built) else "",
        packaged=document.path.parent / source.path if isinstance(source, Folder) else None,
        build=source.builder(sorted(by_language)) if isinstance(source, Built) else None,
        reencoded=isinstance(source, Built) and source.reencoded,
        hub=source.pinned if isinstance(source, HubSource) else (),
        form=source.form if isinstance(source, Built) else "",
    )


def _check_parts(document: TomlFile, keys: tuple[str, ...], named: Iterable[str], known: Collection[str]) -> None:
    for part in named:
        if part not in known:
            parts = f"it has {', '.join(known)}" if known else "it has none that contains all languages"
            raise document.error((*keys, part), f"the reader has no part '{part}'; {parts}")


def _check_links(document: TomlFile, source: Folder, files: Iterable[str]) -> None:
    """Refuse links to what is not beside the task file: it can come from anyone, and must not choose what is read."""
    own = {os.path.realpath(document.path.parent), os.path.dirname(os.path.realpath(document.path))}
    for file in files:
        path = document.path.parent / source.path / file
        real = os.path.realpath(path)
        if not any(Path(real).is_relative_to(folder) for folder in own):
            reason = f"{path} is a link to {real}, outside of the folder of this file; copy the data into that folder"
            raise document.error(("source", "path"), reason)


def _check_hash(document: TomlFile, source: AnySource, file: tuple[str, str], keys: tuple[str, ...]) -> None:
    if isinstance(source, Download) and not file[1]:
        raise document.error(keys, f"the sha256 of {file[0]} is missing; it is required to verify the download")
