"""Extract a readable message from a server's error response, whatever its format."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from panglot.plain import plain

LONGEST = 300
"""Maximum number of characters shown of a server's text."""

_LONGEST_PAGE = 10_000
"""Maximum number of characters of a web page that are parsed."""

_MESSAGE_FIELDS = ("message", "detail", "details", "msg", "error", "errors", "title", "reason", "description")
"""Suffixes of the names of JSON fields with messages for people."""


def server_message(body: bytes, charset: str | None = None) -> str:
    """Extract the message: message fields of JSON, a web page without tags, or the whole text; can be empty."""
    text = _decoded(body, charset)
    try:
        message = _collect_messages(json.loads(body))
    except (ValueError, RecursionError):
        message = ""
    return message or _without_tags(text)


def one_line(text: str) -> str:
    """Put text from a server on one line, escaped and shortened."""
    shown = plain(" ".join(text.replace("\0", "").split()))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _decoded(body: bytes, charset: str | None) -> str:
    for encoding in ("utf-8-sig", charset or "utf-8"):
        try:
            return body.decode(encoding)
        except (LookupError, ValueError):
            continue
    return body.decode("utf-8", "replace")


def _collect_messages(value: Any) -> str:
    """Join the distinct texts of the message fields at any depth; empty if there are none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return "; ".join(dict.fromkeys(filter(None, map(_collect_messages, value))))
    if not isinstance(value, dict):
        return ""
    fields = [content for name, content in value.items() if name.lower().endswith(_MESSAGE_FIELDS)]
    return _collect_messages([_collect_messages(field) or _fields_of(field) for field in fields])


def _fields_of(value: Any) -> str:
    """Format an object without message fields, such as errors keyed by parameter."""
    filled = {name: content for name, content in value.items() if content} if isinstance(value, dict) else {}
    return json.dumps(filled, ensure_ascii=False) if filled else ""


def _without_tags(text: str) -> str:
    if not re.search(r"<(!doctype|html|head|body|title|h1|p)\b", text[:_LONGEST_PAGE], re.IGNORECASE):
        return text
    visible = re.sub(r"<(script|style)\b.*?</\1[^<>]*>", " ", text[:_LONGEST_PAGE], flags=re.IGNORECASE | re.DOTALL)
    return html.unescape(re.sub(r"<[^<>]*>", " ", visible))
