"""Charts as Vega-Lite specifications, and the pieces that they are made of.

Specifications are plain dictionaries: a page makes its charts anew on every run, and a library that checks each piece
against the schema takes longer for that than everything else on the page together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from leaderboard_app.tables.formats import chart_format

Spec = dict[str, Any]


_AS_SVG: Spec = {"embedOptions": {"renderer": "svg"}}
"""Streamlit draws thousands of marks on a canvas, whose labels have no ink of the page's style."""


class Chart(NamedTuple):
    """A specification, and the tables that its layers name."""

    spec: Spec
    tables: Mapping[str, pd.DataFrame]

    def drawn(self) -> Spec:
        """For Streamlit, which sends tables to the browser in a form of its own."""
        return {**self.spec, "usermeta": _AS_SVG, "datasets": dict(self.tables)}

    def saved(self, width: int, title: str = "", subtitle: str = "") -> Spec:
        """For a file: all in one, `width` points wide without the axes, below its title."""
        tables = {name: json.loads(table.to_json(orient="records")) for name, table in self.tables.items()}
        heading = {
            "text": title,
            "subtitle": subtitle,
            "anchor": "start",
            "frame": "group",
            "offset": 12,
            "limit": width,
        }
        return {**self.spec, "width": width, "datasets": tables, **({"title": heading} if title else {})}


def data(name: str) -> Spec:
    """The table of a layer, by its name in the chart."""
    return {"data": {"name": name}}


def mark(kind: str, **look: object) -> Spec:
    """What a layer draws."""
    return {"mark": {"type": kind, **look}}


def number_of(field: str, **look: object) -> Spec:
    """A channel that shows numbers of a column."""
    return {"field": field, "type": "quantitative", **look}


def name_of(field: str, **look: object) -> Spec:
    """A channel that shows names of a column."""
    return {"field": field, "type": "nominal", **look}


def tip(field: str, of: str = "", **look: object) -> Spec:
    """A number in a tooltip, printed like the quantity `of`."""
    return number_of(field, **{"format": chart_format(of or field), **look})


def unless(test: str | Spec, value: object, otherwise: object) -> Spec:
    """A channel of one of two values."""
    return {"condition": {"test": test, "value": value}, "value": otherwise}


def without_middle(pixels: int, letter: float = 5.6) -> Spec:
    """Labels in the way of `shortened`, with so many pixels a letter."""
    most = round(pixels / letter)
    end = (most - 1) // 4
    cut = f"slice(datum.label, 0, {most - 1 - end}) + '…' + slice(datum.label, -{end})"
    return {"labelLimit": pixels, "labelExpr": f"length(datum.label) > {most} ? {cut} : datum.label"}
