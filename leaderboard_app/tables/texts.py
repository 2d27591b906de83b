"""What queries and candidates say, where the task's data is on this machine; and tables of such text as safe HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from panglot.data.catalogue import suite_tasks
from panglot.data.image import Image
from panglot.data.local import remembered_pool
from panglot.data.pool import Items, Pool
from panglot.errors import PanglotError
from panglot.score.pivot import english_among

LARGEST_THUMBNAIL = 1 << 20
"""Bytes of an image that is shown as it is; larger ones are named by their id."""

SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}

STYLE = """<style>
table.texts { border-collapse: collapse; max-width: 100%; font-size: .9rem; }
table.texts th { text-align: start; font-weight: 600; opacity: .75; padding: .25rem .6rem; }
table.texts td { overflow-wrap: anywhere; min-width: 6.2rem; border-top: 1px solid rgba(128, 128, 128, .25); }
table.texts td { padding: .35rem .6rem; vertical-align: top; line-height: 1.45; }
table.texts td.text { width: 70ch; max-width: 70ch; }
table.texts small { display: block; font-size: .78rem; opacity: .75; }
table.texts td.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; min-width: 0; }
table.texts tr.answer td { background: rgba(0, 158, 115, .16); }
table.texts tr.answer td:first-child { box-shadow: inset 4px 0 #009e73; }
table.texts img { height: 72px; max-width: 160px; object-fit: contain; vertical-align: middle; }
table.texts img { margin-inline-end: .6rem; }
</style>"""


@dataclass(frozen=True)
class Texts:
    """Texts and images by id; empty where the data is not here."""

    queries: dict[str, str]
    candidates: dict[str, str]
    images: dict[str, Image]
    labels: dict[str, str] = field(default_factory=dict)
    """Of each image a caption, an English one where there is one."""

    def of_query(self, id_: str) -> str:
        """What a query says, or what its image shows."""
        return self.queries.get(id_) or self.labels.get(id_) or id_


def read_texts(task: str, languages: tuple[str, ...]) -> Texts:
    """What the items of a task say; nothing is downloaded for it."""
    known = suite_tasks().get(task)
    try:
        pool = remembered_pool(known, languages) if known else None
    except PanglotError:  # damaged data is no reason to hide what the evidence says
        pool = None
    return _texts(pool) if pool else Texts({}, {}, {})


def cell(texts: Mapping[str, str], images: Mapping[str, Image], id_: str, label: str = "") -> str:
    """The inside of a table's cell: an image with its label, a text, or the id where neither is here."""
    if id_ in images and (source := _thumbnail(images[id_])):
        return f'<img src="{source}" alt="">{html.escape(label or id_)}'
    return html.escape(texts.get(id_) or label or id_)


def texts_table(headings: Sequence[str], rows: Sequence[Sequence[str]], answers: Sequence[bool], text: int) -> str:
    """A table as HTML. Column `text` holds what `cell` made and reads in its own direction; all else is escaped.

    Rows with an answer are coloured, and marked for whoever does not see that.
    """
    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for heading in headings)
    body = []
    for row, answer in zip(rows, answers, strict=True):
        cells = (
            f'<td class="text" dir="auto">{value}</td>'
            if place == text
            else f'<td class="{"number" if value.replace(",", "").isdigit() else ""}">{html.escape(value)}'
            f"{' ✓' if answer and place == 0 else ''}</td>"
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
        _labels(pool) if pool.has_images else {},
    )


def _labels(pool: Pool) -> dict[str, str]:
    """Of each image the first English caption that belongs to it, or else the first in any language."""
    english = english_among(pool.languages)
    labels: dict[str, tuple[bool, str]] = {}
    for query, candidate in zip(pool.query.tolist(), pool.candidate.tolist(), strict=True):
        ends = ((pool.queries, query, pool.candidates, candidate), (pool.candidates, candidate, pool.queries, query))
        for items, place, others, other in ends:
            caption = others.texts[other]
            if place in items.images and caption:
                found = pool.languages[others.language[other]] == english, caption
                labels[items.ids[place]] = max(labels.get(items.ids[place], found), found, key=lambda label: label[0])
    return {id_: caption for id_, (_, caption) in labels.items()}


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
