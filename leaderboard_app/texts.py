"""What queries and candidates say, where the task's data is on this machine; and tables of such text as safe HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from panglot.data.catalogue import suite_tasks
from panglot.data.image import Image
from panglot.data.local import remembered_pool
from panglot.data.pool import Items, Pool
from panglot.errors import PanglotError

LARGEST_THUMBNAIL = 1 << 20
"""Bytes of an image that is shown as it is; larger ones are named by their id."""

SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}

STYLE = """<style>
table.texts { border-collapse: collapse; width: 100%; font-size: .9rem; }
table.texts th { text-align: start; font-weight: 600; opacity: .7; padding: .25rem .6rem .25rem 0; }
table.texts td { overflow-wrap: anywhere; border-top: 1px solid rgba(128, 128, 128, .25); }
table.texts td { padding: .35rem .6rem .35rem 0; vertical-align: top; }
table.texts td.text { width: 99%; }
table.texts td:not(.text, .number) { min-width: 6rem; }
table.texts td.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
table.texts tr.answer td { font-weight: 600; }
table.texts img { height: 72px; max-width: 160px; object-fit: contain; }
</style>"""


@dataclass(frozen=True)
class Texts:
    """Texts and images by id; empty where the data is not here."""

    queries: dict[str, str]
    candidates: dict[str, str]
    images: dict[str, Image]


def read_texts(task: str, languages: tuple[str, ...]) -> Texts:
    """What the items of a task say; nothing is downloaded for it."""
    known = suite_tasks().get(task)
    try:
        pool = remembered_pool(known, languages) if known else None
    except PanglotError:  # damaged data is no reason to hide what the evidence says
        pool = None
    return _texts(pool) if pool else Texts({}, {}, {})


def cell(texts: dict[str, str], images: dict[str, Image], id_: str) -> str:
    """The inside of a table's cell: an image, a text, or the id where neither is here."""
    if id_ in images and (source := _thumbnail(images[id_])):
        return f'<img src="{source}" alt="{html.escape(id_, quote=True)}">'
    return html.escape(texts.get(id_) or id_)


def texts_table(headings: Sequence[str], rows: Sequence[Sequence[str]], answers: Sequence[bool], text: int) -> str:
    """A table as HTML. Column `text` holds what `cell` made and reads in its own direction; all else is escaped."""
    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for heading in headings)
    body = []
    for row, answer in zip(rows, answers, strict=True):
        cells = (
            f'<td class="text" dir="auto">{value}</td>'
            if place == text
            else f'<td class="{"number" if value.isdigit() else ""}">{html.escape(value)}</td>'
            for place, value in enumerate(row)
        )
        body.append(f'<tr class="{"answer" if answer else ""}">{"".join(cells)}</tr>')
    return f'{STYLE}<table class="texts"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _texts(pool: Pool) -> Texts:
    def images(items: Items) -> dict[str, Image]:
        return {items.ids[place]: image for place, image in items.images.items()}

    return Texts(
        dict(zip(pool.queries.ids, pool.queries.texts, strict=True)),
        dict(zip(pool.candidates.ids, pool.candidates.texts, strict=True)),
        images(pool.queries) | images(pool.candidates),
    )


def _thumbnail(image: Image) -> str:
    """The image as a data address, if it is a small one of a kind that browsers show; else nothing."""
    try:
        data = image.read()
    except (OSError, PanglotError):
        return ""
    kind = next((kind for signature, kind in SIGNATURES.items() if data.startswith(signature)), "")
    if not kind or len(data) > LARGEST_THUMBNAIL:
        return ""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
