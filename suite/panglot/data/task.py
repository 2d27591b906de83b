"""A task: what is asked, where its data is and which reader understands it. A value, nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from panglot.data.image import IMAGES
from panglot.data.pool import Pool
from panglot.errors import UnknownName
from panglot.languages import match_language
from panglot.progress import Progress


@dataclass(frozen=True)
class Source:
    """Where the files of a task are.

    `files` gives the name and sha256 of each part: one for each language, or whatever parts the reader takes. They are
    looked for in `folder` below the data folder and downloaded from `url` otherwise; a task whose files have a fixed
    place (inside the package, or somebody's own folder) names it in `packaged` instead. Files that are nowhere to be
    downloaded are made by `build` in a folder of the user's cache. Their bytes depend on the library that writes them,
    so what is made is checked by the fingerprint of its pool, and only what is given by sha256. With `reencoded` even
    the images depend on a library: what is made then may have another fingerprint, and its results do not compare.
    """

    folder: str
    files: Mapping[str, tuple[str, str]]
    url: str = ""
    packaged: Path | None = None
    build: Callable[[Path, Progress], None] | None = None
    reencoded: bool = False


class Reference(NamedTuple):
    """A work to cite: a paper, or whatever else the data was taken from. `authors` are as in `Roy et al.`"""

    key: str
    """In BibTeX."""
    title: str
    authors: str = ""
    year: int | None = None
    venue: str = ""
    arxiv: str = ""
    url: str = ""

    @property
    def citation(self) -> str:
        """In one line: `Roy et al. (2020), LAReQA, arXiv 2004.05484`."""
        named = f"{self.authors} ({self.year})" if self.authors and self.year else self.authors
        number = f"arXiv {self.arxiv}" if self.arxiv else ""
        return ", ".join(part for part in (named, self.title, self.venue, number, self.url) if part)


class Size(NamedTuple):
    """Queries and candidates of one language, checked when the data is read."""

    queries: int
    candidates: int


Direction: TypeAlias = Literal["t2i", "i2t", "mixed"]
"""Text → image, image → text, text → both."""

Reader: TypeAlias = Callable[[Mapping[str, Path]], Pool]


@dataclass(frozen=True)
class Task:
    """One retrieval task over parallel languages.

    `fingerprint` is the `Pool.fingerprint` of the whole task; results on any other content are not comparable. It is
    empty for a task whose data nobody has read with this suite yet. `relevants` counts the relevant pairs of the whole
    task, None where nobody has counted them. Where it is `divided`, a query meets candidates of its own language only.
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
    """Of a set of images with captions: what asks, and what is found."""
    remarks: tuple[str, ...] = ()
    """What a person should know of data that was just read: what was left out, what may be a mistake."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, in the order of every table."""
        return tuple(self.sizes)

    def choose(self, languages: Sequence[str] = ()) -> tuple[str, ...]:
        """These languages in the task's order and spelling, or all if none is named; images belong to every choice.

        Any spelling will do that can only mean one of them: `th` for `tha_Thai`.

        :raises UnknownName: a language that the task lacks, or that may be several of its own.
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
        raise UnknownName(f"language of {self.name}", language, meant or self.languages, advice)

    @property
    def citation(self) -> str:
        """The works to cite, in one line."""
        return "; ".join(reference.citation for reference in self.references)

    @property
    def has_images(self) -> bool:
        """Whether there are images among its queries or candidates."""
        return IMAGES in self.sizes

    @property
    def queries(self) -> int:
        """Queries in all languages."""
        return sum(size.queries for size in self.sizes.values())

    @property
    def candidates(self) -> int:
        """Candidates in all languages."""
        return sum(size.candidates for size in self.sizes.values())
