"""A task as a plain value: its languages and counts, where its data is, and which reader parses it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from panglot.data.image import IMAGES
from panglot.errors import UnknownName
from panglot.languages import match_language
from panglot.progress import Progress

if TYPE_CHECKING:
    from panglot.data.pool import Pool


Build: TypeAlias = Callable[[Path, Progress, str], None]
"""A function that writes the named file of a data set into a folder; it can write other files too."""


@dataclass(frozen=True)
class Source:
    """Where the files of a task are.

    `files` gives the name and SHA-256 of each part: one per language, or the parts that the reader defines. Files are
    searched in `folder` below the data folder and otherwise downloaded from `url`. If they have a fixed location
    (inside the package, or a user's own folder), that is `packaged`. Files that cannot be downloaded directly are made
    by `build` in the user's cache. The bytes of built files depend on library versions, so they are verified by the
    fingerprint of the pool; all other files are verified by SHA-256. If `reencoded`, the images too depend on library
    versions: built data may then have another fingerprint, and its results are not comparable.
    """

    folder: str
    files: Mapping[str, tuple[str, str]]
    url: str = ""
    packaged: Path | None = None
    build: Build | None = None
    reencoded: bool = False
    hub: tuple[str, ...] = ()
    """The data sets of the Hub that the files are made from, each with its commit: `ORG/NAME@COMMIT`."""
    form: str = ""
    """What built files take from there and how: other files are built for another form."""

    @property
    def origin(self) -> str:
        """What the files are built from, as told to people."""
        return " with ".join(filter(None, (" and ".join(self.hub), self.form)))

    def files_in(self, languages: Collection[str], chosen: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return the files without those of languages that are not chosen; a part can be named `LANGUAGE.PART`."""
        left_out = set(languages) - set(chosen)
        return {
            part: file
            for part, file in self.files.items()
            if part not in left_out and part.rpartition(".")[0] not in left_out
        }


class Reference(NamedTuple):
    """A work to cite: a paper or another source of the data. `authors` is written like `Roy et al.`"""

    key: str
    """The BibTeX key."""
    title: str
    authors: str = ""
    year: int | None = None
    venue: str = ""
    arxiv: str = ""
    url: str = ""

    @property
    def citation(self) -> str:
        """The reference on one line: `Roy et al. (2020), LAReQA, arXiv 2004.05484`."""
        named = f"{self.authors} ({self.year})" if self.authors and self.year else self.authors
        number = f"arXiv {self.arxiv}" if self.arxiv else ""
        return ", ".join(part for part in (named, self.title, self.venue, number, self.url) if part)


class Size(NamedTuple):
    """Number of queries and candidates in one language, checked when the data is read."""

    queries: int
    candidates: int

    def __str__(self) -> str:
        return f"{self.queries:,} queries and {self.candidates:,} candidates"


Direction: TypeAlias = Literal["t2i", "i2t", "mixed"]
"""Text → image, image → text, or text → images and texts."""

Reader: TypeAlias = "Callable[[Mapping[str, Path]], Pool]"


@dataclass(frozen=True)
class Task:
    """One retrieval task over parallel languages.

    `fingerprint` is the `Pool.fingerprint` of the whole task; results on any other content are not comparable. It is
    empty if there is no reference fingerprint yet. `relevants` is the number of relevant pairs in the whole task, None
    if unknown. If `divided`, a query is ranked against candidates of its own language only.
    """

    name: str
    title: str
    sizes: Mapping[str, Size]
    source: Source
    reader: Reader
    headline: str
    fingerprint: str
    licence: str
    references: tuple[Reference, ...] = ()
    note: str = ""
    relevants: int | None = None
    divided: bool = False
    direction: Direction | None = None
    """For images with captions: the modality of the queries and of the candidates."""
    origin: str = ""
    """For a set of the Hub that is not built in: the name that leads to the same content again."""
    whole: str = ""
    """Of a lite tier, for trying and for CI: the name of the task of which it is a part."""
    remarks: tuple[str, ...] = ()
    """Notes for the user about data that was just read: dropped items, possible mistakes."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, in the order used in all tables."""
        return tuple(self.sizes)

    def choose(self, languages: Sequence[str] = ()) -> tuple[str, ...]:
        """Return these languages in the task's order and spelling, or all if none is given; images are always included.

        Any unambiguous spelling is accepted, such as `th` for `tha_Thai`.

        :raises UnknownName: the task does not have a language, or it is ambiguous.
        """
        named = {self._language(language) for language in languages}
        return tuple(name for name in self.languages if not named or name in named or name == IMAGES)

    def _language(self, language: str) -> str:
        if language in self.sizes:
            return language
        meant = match_language(language, self.languages)
        if len(meant) == 1:
            return meant[0]
        advice = f"'{language}' is ambiguous." if meant else ""
        raise UnknownName("language", language, meant or self.languages, advice, within=self.name)

    @property
    def citation(self) -> str:
        """The works to cite, on one line."""
        return "; ".join(reference.citation for reference in self.references)

    @property
    def has_images(self) -> bool:
        """Whether any query or candidate is an image."""
        return IMAGES in self.sizes

    @property
    def queries(self) -> int:
        """Number of queries in all languages."""
        return sum(size.queries for size in self.sizes.values())

    @property
    def candidates(self) -> int:
        """Number of candidates in all languages."""
        return sum(size.candidates for size in self.sizes.values())
