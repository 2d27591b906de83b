"""Sections of Markdown documents as plain text: headings, and the prose below them."""

from __future__ import annotations

import re
from typing import NamedTuple

from panglot.data.builders.training.part import clean

_FRONT = re.compile(r"\A(?:---\n.*?\n---\n|%\{\n.*?\n\}\n---\n)", re.DOTALL)
"""The facts above a document: YAML, or a map of Elixir."""
_TITLE = re.compile(r"^title: *(.+?) *$", re.MULTILINE)
_CODE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$", re.MULTILINE)

_REMOVED = (
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"<aside\b.*?</aside>", re.DOTALL | re.IGNORECASE),
    re.compile(r"!\[[^\]]*\]\((?:[^()]|\([^()]*\))*\)"),  # images
    re.compile(r"\{%.*?%\}"),  # commands of the site generator
)
_TEXT_OF_LINK = re.compile(r"\[([^\[\]]+)\](?:\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\])")
_ADDRESS = re.compile(r"<?https?://[^\s<>)]+>?")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_MARK = re.compile(r"^ *(?:>+ ?|[*+-] +|\d+[.)] +)+", re.MULTILINE)
"""Marks of quotes and lists at the start of a line."""
_EMPHASIS = re.compile(r"(?<!\w)_(?![_\s])(.+?)(?<![_\s])_(?!\w)")


class Section(NamedTuple):
    """A heading with its level, and the plain text below it."""

    level: int
    heading: str
    text: str


class Document(NamedTuple):
    """The title of a document, empty if it states none in YAML, and its sections."""

    title: str
    sections: list[Section]

    @property
    def levels(self) -> list[int]:
        """The levels of the headings, in order."""
        return [section.level for section in self.sections]


def read_markdown(content: bytes) -> Document:
    """The sections of a document; text above the first heading is left out."""
    source = content.decode("utf-8", "replace").replace("\r\n", "\n")
    front = _FRONT.match(source)
    title = _TITLE.search(front[0]) if front and front[0].startswith("---") else None
    body = _CODE.sub("\n", source[front.end() :] if front else source)
    _, *parts = _HEADING.split(body)
    return Document(
        clean(title[1].strip("\"'")) if title else "",
        [
            Section(len(marks), strip_markdown(heading), strip_markdown(text))
            for marks, heading, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        ],
    )


def strip_markdown(text: str) -> str:
    """Markdown without markup: no images, quotes in `aside`, addresses or tags; links and code keep their text."""
    for pattern in _REMOVED:
        text = pattern.sub(" ", text)
    text = _TEXT_OF_LINK.sub(r"\1", text)
    for pattern in (_ADDRESS, _TAG, _MARK):
        text = pattern.sub(" ", text)
    return clean(_EMPHASIS.sub(r"\1", text.replace("*", "").replace("`", "")))
