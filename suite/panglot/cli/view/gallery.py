"""An HTML page of examples from a result: queries, top candidates, ranks of relevant candidates."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np

from panglot.arrays import Ints
from panglot.data.image import decode
from panglot.data.pool import Items, Pool
from panglot.languages import canonical, language_label
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import Evidence

SHOWN = 8
"""Candidates shown per query."""
SIDE = 120
"""Longest side of displayed images, in pixels."""

STYLE = """
body { font: 16px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
section { border-top: 1px solid #8888; padding: 1rem 0; }
ol { display: flex; flex-wrap: wrap; gap: .75rem; list-style: none; margin: .5rem 0 0; padding: 0; }
li, .query { max-width: 9rem; overflow-wrap: anywhere; }
.query { max-width: none; font-size: 1.2rem; }
li { border: 3px solid transparent; padding: .25rem; }
li.relevant { border-color: #1a7f37; }
small { color: #666; display: block; }
img { display: block; max-width: 120px; max-height: 120px; }
"""


def gallery(result: ResultRecord, evidence: Evidence, pool: Pool, queries: int = 24) -> str:
    """Return a self-contained page of `queries` examples, spread evenly over the languages.

    Relevant candidates are framed and labelled; the ranks of all relevant candidates are listed below.
    """
    title = f"{result.model.name} on {result.task.name}"
    place = {id_: index for index, id_ in enumerate(pool.candidates.ids)}
    in_pool = np.array([place[id_] for id_ in evidence.candidate_ids])
    order = np.argsort(evidence.query_language, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(queries, len(order))).astype(int)]
    sections = "\n".join(_section(evidence, pool, in_pool, int(query)) for query in chosen)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n<p>{len(chosen)} of {evidence.queries:,} queries with the top {SHOWN} of "
        f"{len(pool.candidates):,} candidates. Relevant candidates are framed.</p>\n{sections}\n</body></html>\n"
    )


def _section(evidence: Evidence, pool: Pool, in_pool: Ints, query: int) -> str:
    """One query with its top candidates."""
    pairs = np.flatnonzero(evidence.query == query)
    relevant = set(evidence.candidate[pairs].tolist())
    ranking = evidence.together
    ranks = ranking.rank[ranking.cell == query].tolist()
    listed = [number for number in evidence.top[query, :SHOWN].tolist() if number >= 0]
    entries = "\n".join(
        _entry(pool, int(in_pool[number]), number in relevant, rank) for rank, number in enumerate(listed, start=1)
    )
    some = ", ".join(f"{rank:,}" for rank in ranks[:12]) + (", …" if len(ranks) > 12 else "")
    return (
        f'<section><div class="query">{_shown(pool.queries, query, pool.languages)}</div>\n<ol>{entries}</ol>\n'
        f"<small>Ranks of relevant candidates: {some}</small></section>"
    )


def _entry(pool: Pool, candidate: int, is_relevant: bool, rank: int) -> str:
    marked = ' class="relevant"' if is_relevant else ""
    relevance = " relevant" if is_relevant else ""
    return f"<li{marked}>{_shown(pool.candidates, candidate, pool.languages)}<small>{rank}{relevance}</small></li>"


def _shown(items: Items, place: int, languages: Sequence[str]) -> str:
    """Return a text with its language and direction, or an embedded image."""
    if place in items.images:
        return f'<img alt="{escape(items.ids[place])}" src="{_data_url(items, place)}">'
    language = languages[items.language[place]]
    tag, label = escape(canonical(language)), escape(language_label(language))
    return f'<span dir="auto" lang="{tag}">{escape(items.texts[place])}</span> <small>{label}</small>'


def _data_url(items: Items, place: int) -> str:
    picture = decode(items.images[place])
    picture.thumbnail((SIDE, SIDE))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
