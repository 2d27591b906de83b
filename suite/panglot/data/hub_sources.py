"""Sources of a task file that are data sets on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from panglot.data.origins.caption_files import CaptionFiles
from panglot.data.origins.hub import HubSet
from panglot.data.origins.hub_tables import HubTables
from panglot.data.readers.belebele import HubLanguages
from panglot.data.source_base import LANGUAGE, Built, HubId, Inside, Revision, Table, Url
from panglot.data.task import Build
from panglot.fields import Label

Part: TypeAlias = Annotated[str, Field(pattern=r"^(corpus|queries|qrels)$")]
Column: TypeAlias = Annotated[str, Field(pattern=r"^(id|text|title|image|query-id|corpus-id|score)$")]
Branch: TypeAlias = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|main)$")]
"""A commit, or the branch, which moves, if the commit is not known."""
FileOrUrl: TypeAlias = Url | Inside


class HubSource(Built):
    """A data set on the Hugging Face Hub."""

    hub: HubId
    revision: Revision

    @property
    def page(self) -> str:
        """URL of the data set's page on the Hub."""
        return f"https://huggingface.co/datasets/{self.hub}"

    @property
    def pinned(self) -> tuple[str, ...]:
        """The data sets with their commits."""
        return (f"{self.hub}@{self.revision}",)


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


class CaptionArchive(HubSource):
    """Images in an archive of a data set on the Hugging Face Hub, and captions in text files, one line for each image.

    A text file is one of the data set, or a URL.
    """

    kind: Literal["caption-files"]
    revision: Branch
    images: Inside
    """The archive: .tar, .tar.gz or .zip."""
    names: FileOrUrl
    """The file with the names of the images; folders in the archive do not matter."""
    captions: Annotated[Mapping[str, FileOrUrl], Field(min_length=1)]
    """The file with the captions in each language, in the order of the names."""

    def builder(self, languages: Sequence[str]) -> Build:
        """Return the function that fetches the images and captions."""
        captions = {language: self.captions[language] for language in languages}
        return CaptionFiles(self.hub, self.revision, self.images, self.names, captions).fetch


class HubPlace(Table):
    """A data set on the Hugging Face Hub at a commit."""

    hub: HubId
    revision: Revision


class HubRetrieval(HubSource):
    """A retrieval set from the Hugging Face Hub in the form of mteb: corpus, queries and qrels for each subset."""

    kind: Literal["hub-retrieval"]
    split: Label | Literal[""] = ""
    """Name of the split; it can contain `{subset}`. By default `test`, or the only one."""
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
    judged: HubPlace | None = None
    """The data set with the queries and qrels, if it is not that of the corpus."""
    columns: Mapping[Part, Mapping[Column, Label]] = {}
    """Columns that are not named as in mteb, by part."""

    @property
    def pinned(self) -> tuple[str, ...]:
        """The data sets with their commits, that of the corpus first."""
        judged = (f"{self.judged.hub}@{self.judged.revision}",) if self.judged else ()
        return (*super().pinned, *judged)

    def tables(self, languages: Sequence[str], asking: Collection[str] = ()) -> HubTables:
        """Return what fetches the tables of these languages; those in `asking` have queries only."""
        subsets = {name: self.subsets.get(name, self.subset.replace(LANGUAGE, name)) for name in languages}
        judged = (self.judged.hub, self.judged.revision) if self.judged else None
        return HubTables(
            self.hub,
            self.revision,
            self.split,
            subsets,
            self.shared,
            self.configs,
            self.images,
            asking,
            judged,
            self.columns,
        )
