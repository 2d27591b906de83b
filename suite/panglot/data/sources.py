"""The table `[source]` of a task file: where the files of a data set come from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from panglot.data.builders.emoji import EmojiSources
from panglot.data.builders.storybooks import StorybookSources
from panglot.data.origins.archive import Archive
from panglot.data.origins.hub import HubSet
from panglot.data.origins.hub_tables import HubTables
from panglot.data.readers.belebele import HubLanguages
from panglot.data.task import Build, Source
from panglot.fields import Count, Label, Sha256
from panglot.toml import TomlFile

LANGUAGE = "{language}"
"""Placeholder for the language code in file, split and column names."""


def check_path(path: str) -> str:
    """Return the path if it stays inside the folder of the task file.

    :raises ValueError: the path is absolute, or contains `..` or a backslash.
    """
    if PurePosixPath(path).is_absolute() or ".." in path.split("/") or "\\" in path:
        raise ValueError("must be a relative path inside the folder of this file")
    return path


Url: TypeAlias = Annotated[Label, Field(pattern=r"^(https?|file)://")]
Inside: TypeAlias = Annotated[Label, AfterValidator(check_path)]
HubId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
Revision: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
"""A commit hash, since branches and tags can move."""


class Table(BaseModel):
    """A table of a task file: unknown keys are rejected, and values must have exactly the declared types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Download(Table):
    """Files below one URL; `files` maps parts to file names that differ from the reader's defaults."""

    kind: Literal["download"]
    url: Annotated[Label, Field(pattern=r"^https?://")]
    files: Mapping[str, Inside] = {}


class Folder(Table):
    """Files in a folder beside the task file; `files` maps parts to names that differ from the reader's defaults."""

    kind: Literal["folder"]
    path: Inside
    files: Mapping[str, Inside] = {}


class Built(Table):
    """Files that are built in the user's cache."""

    reencoded: bool = False
    """Whether images are re-encoded, so that they may differ from the published ones."""

    @property
    def page(self) -> str:
        """URL of a page about the data set; empty if none."""
        return ""

    def builder(self, languages: Sequence[str]) -> Build:
        """Return the function that builds the files for these languages."""
        raise NotImplementedError


class HubSource(Built):
    """A data set on the Hugging Face Hub."""

    hub: HubId
    revision: Revision

    @property
    def page(self) -> str:
        """URL of the data set's page on the Hub."""
        return f"https://huggingface.co/datasets/{self.hub}"

    @property
    def pinned(self) -> str:
        """The data set with its commit."""
        return f"{self.hub}@{self.revision}"


class HubRows(HubSource):
    """Rows from the Hugging Face Hub, with one configuration per language."""

    kind: Literal["hub-rows"]

    def builder(self, languages: Sequence[str]) -> Build:
        """Return the function that fetches the rows of each language."""
        return HubLanguages(self.hub, self.revision)


class HubCaptions(HubSource):
    """Images and captions from the Hugging Face Hub; names of splits and columns can contain `{language}`."""

    kind: Literal["hub-captions"]
    split: Label
    captions: Label
    """Column with the captions: a string or a list of strings."""
    id: str = ""
    """Column with the image id; by default the row number is the id."""
    locale: str = ""
    """Column with the language of the place where an image was taken."""
    shared: bool = False
    """Whether all splits have the same images."""

    def builder(self, languages: Sequence[str]) -> Build:
        """Return the function that fetches the images and captions."""
        columns: dict[str, dict[str, str]] = {}
        for language in languages:
            split, column = (name.replace(LANGUAGE, language) for name in (self.split, self.captions))
            columns.setdefault(split, {})[language] = column
        return HubSet(self.hub, self.revision, columns, self.id, self.locale, self.shared).fetch


class HubRetrieval(HubSource):
    """A retrieval set from the Hugging Face Hub in the form of mteb: corpus, queries and qrels for each subset."""

    kind: Literal["hub-retrieval"]
    split: Label = "test"
    subset: str = LANGUAGE
    """Name of the subset of each language; empty if the set has no subsets."""
    subsets: Mapping[str, Label] = {}
    """Subsets that are named otherwise, by language."""
    configs: Annotated[tuple[Label, ...], Field(min_length=3, max_length=3)] | None = None
    """Names of the configurations with corpus, queries and qrels, if they are not those of mteb."""
    images: str = ""
    """Name of the configuration with the images of the corpus, if they are apart; names can contain `{subset}`."""
    shared: bool = False
    """Whether all subsets have the same candidates."""

    def tables(self, languages: Sequence[str]) -> HubTables:
        """Return what fetches the tables of these languages."""
        subsets = {name: self.subsets.get(name, self.subset.replace(LANGUAGE, name)) for name in languages}
        return HubTables(self.hub, self.revision, self.split, subsets, self.shared, self.configs, self.images)


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
    Download | Folder | HubRows | HubCaptions | HubRetrieval | EmojiArchives | StorybookArchives,
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

    :raises BadData: a part is unknown, or a file to download has no hash.
    """
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
    return Source(
        name,
        files,
        url=source.url if isinstance(source, Download) else source.page if isinstance(source, Built) else "",
        packaged=document.path.parent / source.path if isinstance(source, Folder) else None,
        build=source.builder(sorted(by_language)) if isinstance(source, Built) else None,
        reencoded=isinstance(source, Built) and source.reencoded,
        hub=source.pinned if isinstance(source, HubSource) else "",
    )


def _check_parts(document: TomlFile, keys: tuple[str, ...], named: Iterable[str], known: Collection[str]) -> None:
    for part in named:
        if part not in known:
            parts = f"it has {', '.join(known)}" if known else "it has none that contains all languages"
            raise document.error((*keys, part), f"the reader has no part '{part}'; {parts}")


def _check_hash(document: TomlFile, source: AnySource, file: tuple[str, str], keys: tuple[str, ...]) -> None:
    if isinstance(source, Download) and not file[1]:
        raise document.error(keys, f"the sha256 of {file[0]} is missing; it is required to verify the download")
