"""The storybooks, made from the repositories of Global Storybooks: pictures of an image bank, texts of story pages.

Assumed of the sources, from stored copies of some of their pages: `stories/LL/NNNN/index.html` holds an element with
the id `textNN` for each page, and in it first an element of the class `def` with the text in the language of the page
(on page 1 the title); page NN shows `NNNN/NN.jpg` of the image bank; a story that lacks a language has no file there.
How the published pictures were scaled down is not known to the bit. Their Norwegian descriptions, the kind `alt`, are
not made: no task asks them.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from panglot.data.builders.split import split_by_hash
from panglot.data.image import Image, decode
from panglot.data.origins.archive import Archive
from panglot.data.table import write_rows
from panglot.errors import BadData, require
from panglot.progress import Progress, silent

SALT = "xlr-stories-1:"
SIDE, QUALITY = 256, 85
"""Of the pictures as they are stored: pixels of the longest side, and quality of the JPEG."""

STORIES = (
    "0001", "0004", "0006", "0008", "0027", "0052", "0066", "0072", "0087", "0089", "0095", "0110", "0111", "0141",
    "0156", "0158", "0201", "0210", "0243", "0262", "0291", "0294", "0296", "0302", "0315", "0324", "0327", "0337",
    "0342",
)  # fmt: skip
"""Those of the 40 that are under CC BY, by the image bank's table and by the page of each language."""

SAME_PICTURE = {
    "0001-01": "0001-02", "0004-01": "0004-02", "0006-01": "0006-03", "0027-01": "0027-17", "0052-01": "0052-10",
    "0066-01": "0066-04", "0072-01": "0072-11", "0072-12": "0072-08", "0087-01": "0087-02", "0089-01": "0089-09",
    "0095-01": "0095-03", "0110-01": "0110-02", "0141-01": "0141-02", "0156-01": "0156-02", "0158-01": "0158-09",
    "0201-01": "0201-10", "0210-01": "0210-03", "0243-01": "0243-06", "0262-01": "0262-07", "0291-01": "0291-14",
    "0294-01": "0294-03", "0296-01": "0296-03", "0302-01": "0302-07", "0315-01": "0315-06", "0324-01": "0324-17",
    "0327-01": "0327-08", "0337-01": "0337-12", "0342-01": "0342-03",
}  # fmt: skip
"""The page whose picture a page repeats, as covers do."""

_PAGE = re.compile(r"text(\d{2})")


@dataclass(frozen=True)
class StorybookSources:
    """Where the parts are: the image bank, and for each of two archives of stories the languages taken from it."""

    images: Archive
    texts: Mapping[Archive, tuple[str, ...]]
    texts_sha256: str
    """Of the lines `id, language, kind, text`, fields ended by NUL, sorted and joined by line feeds."""

    def build(self, folder: Path, progress: Progress = silent) -> None:
        """Write `images.parquet` and `texts.parquet` into a folder.

        :raises MissingExtra: Pillow is not installed.
        :raises MissingData: a source cannot be reached.
        :raises BadData: a source is not the published one, or gives other texts.
        """
        require("PIL", "image", "Making the storybooks")
        texts = self._texts(progress)
        if (found := _sha256(texts)) != self.texts_sha256:
            raise BadData(f"The storybooks have other texts: expected sha256 {self.texts_sha256}, found {found}.")
        pages = sorted({row["id"] for row in texts})
        pictures = self._pictures(pages, progress)
        split = split_by_hash(STORIES, SALT)
        shown = [
            {
                "id": page,
                "story": page[:4],
                "page": int(page[5:]),
                "picture": SAME_PICTURE.get(page, page),
                "split": split[page[:4]],
                **pictures[page],
            }
            for page in pages
        ]
        types = {"page": "int16", "width": "int16", "height": "int16", "jpeg": "binary"}
        write_rows(folder / "images.parquet", shown, types)
        write_rows(folder / "texts.parquet", [{**row, "split": split[row["story"]]} for row in texts])

    def _texts(self, progress: Progress) -> list[dict[str, Any]]:
        """Titles and page texts, by page and language."""
        rows = []
        with progress("reading stories", len(STORIES) * sum(map(len, self.texts.values()))) as advance:
            for archive, languages in self.texts.items():
                wanted = {
                    f"stories/{language}/{story}/index.html": (language, story)
                    for language in languages
                    for story in STORIES
                }
                for name, data in archive.read(wanted.__contains__):
                    rows += _rows(*wanted[name], data.decode(errors="replace"))
                    advance(1)
        return sorted(rows, key=lambda row: (row["id"], row["lang"]))

    def _pictures(self, pages: Sequence[str], progress: Progress) -> dict[str, dict[str, Any]]:
        """The picture of each page, scaled down as it arrives."""
        names = {f"{page.replace('-', '/')}.jpg": page for page in pages}
        with progress("reading pictures", len(names)) as advance:
            pictures = {}
            for name, data in self.images.read(names.__contains__):
                try:
                    pictures[names[name]] = _scaled_down(data)
                except BadData as error:
                    raise BadData(f"{self.images.url}: {name} is {error}.") from error
                advance(1)
        if absent := [page for page in pages if page not in pictures]:
            raise BadData(f"{self.images.url} has no picture of {len(absent)} pages, as {absent[0]}.")
        return pictures


def _rows(language: str, story: str, page: str) -> list[dict[str, Any]]:
    """The texts of one story in one language."""
    reader = _StoryPage()
    reader.feed(page)
    return [
        {
            "id": f"{story}-{number:02d}",
            "story": story,
            "page": number,
            "lang": language,
            "kind": "title" if number == 1 else "page",
            "text": " ".join("".join(parts).split()),
        }
        for number, parts in reader.texts.items()
    ]


def _sha256(texts: Sequence[Mapping[str, Any]]) -> str:
    lines = sorted("".join(f"{row[name]}\0" for name in ("id", "lang", "kind", "text")) for row in texts)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _scaled_down(data: bytes) -> dict[str, Any]:
    """The columns of a picture; the bytes of its JPEG depend on the libraries that make it."""
    picture = decode(Image("", partial(bytes, data)))
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return {"width": picture.width, "height": picture.height, "jpeg": file.getvalue()}


class _StoryPage(HTMLParser):
    """The parts of the text of each page of a story."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[int, list[str]] = {}
        self._page = 0
        self._tag, self._depth = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notice where a page and its text begin."""
        facts = {name: value or "" for name, value in attrs}
        if match := _PAGE.fullmatch(facts.get("id", "")):
            self._page = int(match[1])
        if self._depth:
            self._depth += tag == self._tag
            self.texts[self._page].append(" " if tag == "br" else "")
        elif "def" in facts.get("class", "").split() and self._page and self._page not in self.texts:
            self._tag, self._depth = tag, 1
            self.texts[self._page] = []

    def handle_endtag(self, tag: str) -> None:
        """Notice where a text ends."""
        if self._depth and tag == self._tag:
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        """Keep what is text of the page."""
        if self._depth:
            self.texts[self._page].append(data)
