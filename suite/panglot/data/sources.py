"""What the table `[source]` of a task file can say: where the bytes of a data set come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from panglot.data.builders.emoji import EmojiSources
from panglot.data.builders.storybooks import StorybookSources
from panglot.data.origins.archive import Archive
from panglot.data.origins.hub import HubSet
from panglot.data.readers.belebele import HubLanguages
from panglot.data.task import Source
from panglot.fields import Count, Label, Sha256
from panglot.progress import Progress
from panglot.toml import TomlFile

Build: TypeAlias = Callable[[Path, Progress], None]
"""Writes the files of a set into a folder."""

LANGUAGE = "{language}"
"""Stands in names for each language."""


def check_path(path: str) -> str:
    """A path below a folder that cannot leave it.

    :raises ValueError: it is absolute, or goes up.
    """
    if PurePosixPath(path).is_absolute() or ".." in path.split("/") or "\\" in path:
        raise ValueError("must be a path below the folder of this file")
    return path


Url: TypeAlias = Annotated[Label, Field(pattern=r"^(https?|file)://")]
Inside: TypeAlias = Annotated[Label, AfterValidator(check_path)]
HubId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
Revision: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
"""A commit: a branch or a tag could move."""


class Table(BaseModel):
    """A table of a task file: no other keys than those that are named, values of exactly their types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Download(Table):
    """Files below one address; `files` names those that are not called as the reader calls them."""

    kind: Literal["download"]
    url: Annotated[Label, Field(pattern=r"^https?://")]
    files: Mapping[str, Inside] = {}


class Folder(Table):
    """Files in a folder beside the task file; `files` names those that are not called as the reader calls them."""

    kind: Literal["folder"]
    path: Inside
    files: Mapping[str, Inside] = {}


class Built(Table):
    """Files that are made in the user's cache."""

    reencoded: bool = False
    """Whether images are encoded anew, so that they may differ from the published ones."""

    @property
    def page(self) -> str:
        """A page about the set, if it has one."""
        return ""

    def builder(self, languages: Sequence[str]) -> Build:
        """What makes the files, for these languages."""
        raise NotImplementedError


class HubSource(Built):
    """A set of the Hugging Face Hub."""

    hub: HubId
    revision: Revision

    @property
    def page(self) -> str:
        """Its page there."""
        return f"https://huggingface.co/datasets/{self.hub}"


class HubRows(HubSource):
    """Rows of the Hugging Face Hub, in a configuration for each language."""

    kind: Literal["hub-rows"]

    def builder(self, languages: Sequence[str]) -> Build:
        """What fetches the rows of each language."""
        return HubLanguages(self.hub, self.revision, tuple(languages))


class HubCaptions(HubSource):
    """Images and captions of the Hugging Face Hub; the names of splits and columns may hold `{language}`."""

    kind: Literal["hub-captions"]
    split: Label
    captions: Label
    """The column of the captions: a text, or a list of them."""
    id: str = ""
    """The column of the id of an image; without one it is the number of the row."""
    locale: str = ""
    """The column of the language of the place where a picture was taken."""
    shared: bool = False
    """Whether every split has the same images."""

    def builder(self, languages: Sequence[str]) -> Build:
        """What fetches the images and the captions."""
        columns: dict[str, dict[str, str]] = {}
        for language in languages:
            split, column = (name.replace(LANGUAGE, language) for name in (self.split, self.captions))
            columns.setdefault(split, {})[language] = column
        return HubSet(self.hub, self.revision, columns, self.id, self.locale, self.shared).fetch


class ArchiveTable(Table):
    """A .tar.gz; `sha256` where it is always the same bytes."""

    url: Url
    sha256: Sha256 | Literal[""] = ""

    @property
    def archive(self) -> Archive:
        """The archive itself."""
        return Archive(self.url, self.sha256)


class EmojiArchives(Built):
    """Noto Emoji, Unicode CLDR, and the groups of the emoji."""

    kind: Literal["emoji"]
    images: ArchiveTable
    annotations: ArchiveTable
    derived: ArchiveTable
    groups: ArchiveTable
    expected: Count

    def builder(self, languages: Sequence[str]) -> Build:
        """What makes the emoji set."""
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
        """What makes the storybooks."""
        texts = {table.archive: table.languages for table in self.texts}
        return StorybookSources(self.images.archive, texts, self.texts_sha256).build


AnySource: TypeAlias = Annotated[
    Download | Folder | HubRows | HubCaptions | EmojiArchives | StorybookArchives, Field(discriminator="kind")
]


def list_files(
    document: TomlFile,
    name: str,
    source: AnySource,
    parts: Mapping[str, str],
    sha256: Mapping[str, str],
    by_language: Mapping[str, str | Mapping[str, str]],
) -> Source:
    """The files of a set: `parts` names that of each part, `sha256` and `by_language` have their hashes.

    :raises BadData: an unknown part is named, or a file to download has no hash.
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
                raise document.error(keys, f"must be a table of the sha256 of {' and '.join(parts)}")
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
    )


def _check_parts(document: TomlFile, keys: tuple[str, ...], named: Iterable[str], known: Collection[str]) -> None:
    for part in named:
        if part not in known:
            parts = f"only {', '.join(known)}" if known else "none that holds all languages"
            raise document.error((*keys, part), f"the reader knows no part '{part}', {parts}")


def _check_hash(document: TomlFile, source: AnySource, file: tuple[str, str], keys: tuple[str, ...]) -> None:
    if isinstance(source, Download) and not file[1]:
        raise document.error(keys, f"the sha256 of {file[0]} is missing, and what is downloaded is checked by it")
