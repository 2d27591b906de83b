"""What a server says of an error, in plain words, whatever form its answer has."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from panglot.plain import plain

LONGEST = 300
"""Characters that are shown of what a server says."""

_LONGEST_PAGE = 10_000
"""Characters of a web page that are looked at."""

_TELLING = ("message", "detail", "details", "msg", "error", "errors", "title", "reason", "description")
"""How the names of those fields of JSON objects end that hold words for people."""


def server_words(body: bytes, charset: str | None = None) -> str:
    """The words of an answer: the telling fields of JSON, a web page without its tags, or all of it; may be empty."""
    text = _decoded(body, charset)
    try:
        words = _told(json.loads(body))
    except (ValueError, RecursionError):
        words = ""
    return words or _without_tags(text)


def one_line(text: str) -> str:
    """Text from a server on one line, plain and cut."""
    shown = plain(" ".join(text.replace("\0", "").split()))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _decoded(body: bytes, charset: str | None) -> str:
    for encoding in ("utf-8-sig", charset or "utf-8"):
        try:
            return body.decode(encoding)
        except (LookupError, ValueError):
            continue
    return body.decode("utf-8", "replace")


def _told(value: Any) -> str:
    """The different texts of the telling fields, at any depth; empty where there are none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return "; ".join(dict.fromkeys(filter(None, map(_told, value))))
    if not isinstance(value, dict):
        return ""
    fields = [content for name, content in value.items() if name.lower().endswith(_TELLING)]
    return _told([_told(field) or _fields_of(field) for field in fields])


def _fields_of(value: Any) -> str:
    """An object without telling fields, such as errors by the name of a parameter."""
    filled = {name: content for name, content in value.items() if content} if isinstance(value, dict) else {}
    return json.dumps(filled, ensure_ascii=False) if filled else ""


def _without_tags(text: str) -> str:
    if not re.search(r"<(!doctype|html|head|body|title|h1|p)\b", text[:_LONGEST_PAGE], re.IGNORECASE):
        return text
    visible = re.sub(r"<(script|style)\b.*?</\1[^<>]*>", " ", text[:_LONGEST_PAGE], flags=re.IGNORECASE | re.DOTALL)
    return html.unescape(re.sub(r"<[^<>]*>", " ", visible))
