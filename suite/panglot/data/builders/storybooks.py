"""Build the storybooks data set from the Global Storybooks repositories: images of the image bank, texts of stories.

The expected structure was derived from stored copies of some pages: `stories/LL/NNNN/index.html` has an element with id
`textNN` for each page; the first element of class `def` inside it has the text in the language of the page (on page 1,
the title). Page NN shows `NNNN/NN.jpg` of the image bank. A story that is not available in a language has no file.
How exactly the published images were scaled down is unknown. Their Norwegian descriptions, of the kind `alt`, are not
built, since no task uses them.
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
from panglot.data.origins.archive import Archive, licence_name
from panglot.data.table import write_rows
from panglot.errors import BadData, require
from panglot.progress import Progress, silent

SALT = "xlr-stories-1:"
SIDE, QUALITY = 256, 85
"""Longest side in pixels, and JPEG quality, of the stored images."""

STORIES = (
    "0001", "0004", "0006", "0008", "0027", "0052", "0066", "0072", "0087", "0089", "0095", "0110", "0111", "0141",
    "0156", "0158", "0201", "0210", "0243", "0262", "0291", "0294", "0296", "0302", "0315", "0324", "0327", "0337",
    "0342",
)  # fmt: skip
"""The stories among the 40 that are licensed CC BY, according to the image bank's table and each language's page."""

SAME_PICTURE = {
    "0001-01": "0001-02", "0004-01": "0004-02", "0006-01": "0006-03", "0027-01": "0027-17", "0052-01": "0052-10",
    "0066-01": "0066-04", "0072-01": "0072-11", "0072-12": "0072-08", "0087-01": "0087-02", "0089-01": "0089-09",
    "0095-01": "0095-03", "0110-01": "0110-02", "0141-01": "0141-02", "0156-01": "0156-02", "0158-01": "0158-09",
    "0201-01": "0201-10", "0210-01": "0210-03", "0243-01": "0243-06", "0262-01": "0262-07", "0291-01": "0291-14",
    "0294-01": "0294-03", "0296-01": "0296-03", "0302-01": "0302-07", "0315-01": "0315-06", "0324-01": "0324-17",
    "0327-01": "0327-08", "0337-01": "0337-12", "0342-01": "0342-03",
}  # fmt: skip
"""Pages that repeat the image of another page, such as covers, and that page."""

ATTRIBUTION = """\
African Storybook (africanstorybook.org) / Global Storybooks (globalstorybooks.net), CC BY 3.0 or CC BY 4.0.
Authors, illustrators and translators are named on the page of each story, globalstorybooks.net.
Changes: images scaled down and re-encoded, texts taken out of the pages.
"""

_PAGE = re.compile(r"text(\d{2})")


@dataclass(frozen=True)
class StorybookSources:
    """The source archives: the image bank, and two archives of stories with the languages taken from each."""

    images: Archive
    texts: Mapping[Archive, tuple[str, ...]]
    texts_sha256: str
    """SHA-256 of the lines `id, language, kind, text`; fields end with NUL, lines are sorted and joined by `\\n`."""

    def build(self, folder: Path, progress: Progress = silent, name: str = "") -> None:
        """Write `images.parquet`, `texts.parquet`, the attribution and the licence texts of the sources into a folder.

        :raises MissingExtra: Pillow is not installed.
        :raises MissingData: a source cannot be reached.
        :raises BadData: a source differs from the published one, or yields other texts.
        """
        require("PIL", "image", "Building the storybooks data set")
        texts = self._texts(folder, progress)
        if (found := _sha256(texts)) != self.texts_sha256:
            raise BadData(f"The storybook texts have changed: expected sha256 {self.texts_sha256}, found {found}.")
        pages = sorted({row["id"] for row in texts})
        pictures = self._pictures(pages, folder, progress)
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
        (folder / "ATTRIBUTION.txt").write_text(ATTRIBUTION, encoding="utf-8")
        write_rows(folder / "images.parquet", shown, types)
        write_rows(folder / "texts.parquet", [{**row, "split": split[row["story"]]} for row in texts])

    def _texts(self, folder: Path, progress: Progress) -> list[dict[str, Any]]:
        """Return titles and page texts, ordered by page and language."""
        rows = []
        with progress("reading stories", len(STORIES) * sum(map(len, self.texts.values()))) as advance:
            for number, (archive, languages) in enumerate(self.texts.items(), start=1):
                wanted = {
                    f"stories/{language}/{story}/index.html": (language, story)
                    for language in languages
                    for story in STORIES
                }
                for name, data in archive.read(wanted.__contains__, folder / licence_name(f"stories-{number}")):
                    rows += _rows(*wanted[name], data.decode(errors="replace"))
                    advance(1)
        return sorted(rows, key=lambda row: (row["id"], row["lang"]))

    def _pictures(self, pages: Sequence[str], folder: Path, progress: Progress) -> dict[str, dict[str, Any]]:
        """Return the image of each page, scaled down while reading."""
        names = {f"{page.replace('-', '/')}.jpg": page for page in pages}
        with progress("reading pictures", len(names)) as advance:
            pictures = {}
            for name, data in self.images.read(names.__contains__, folder / licence_name("images")):
                try:
                    pictures[names[name]] = _scaled_down(data)
                except BadData as error:
                    raise BadData(f"{self.images.url}: {name} is {error}.") from error
                advance(1)
        if absent := [page for page in pages if page not in pictures]:
            raise BadData(f"{self.images.url} has no image for {len(absent)} pages, such as {absent[0]}.")
        return pictures


def _rows(language: str, story: str, page: str) -> list[dict[str, Any]]:
    """Return the texts of one story in one language."""
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
    """Return the columns of an image; the JPEG bytes depend on the versions of the libraries."""
    picture = decode(Image("", partial(bytes, data)))
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return {"width": picture.width, "height": picture.height, "jpeg": file.getvalue()}


class _StoryPage(HTMLParser):
    """Collects the text fragments of each page of a story."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[int, list[str]] = {}
        self._page = 0
        self._tag, self._depth = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Detect the start of a page and of its text."""
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
        """Detect the end of a text."""
        if self._depth and tag == self._tag:
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        """Collect the text of the page."""
        if self._depth:
            self.texts[self._page].append(data)
