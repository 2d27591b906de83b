"""What several pages show alike: tables and charts with their downloads, links between pages, files.

Rows that are ticked and the order of a table live in the address, as every other choice does.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, cast

import pandas as pd
import streamlit as st

from leaderboard_app import address
from leaderboard_app.board import BIAS, SCORES, Row
from leaderboard_app.columns import DIRECTION, SENTENCES, SHORT, falls
from leaderboard_app.exports import FORMATS, as_png, as_svg, harmless, literal
from leaderboard_app.formats import column_format, number, plus_minus
from leaderboard_app.strangers import is_regular, read_regular
from leaderboard_app.vega import Chart
from panglot.numbers import NOTHING
from panglot.results.evidence_file import EVIDENCE_FILES, evidence_file
from panglot.trust.submission import CARD

COLUMN = st.column_config
ROW_PIXELS = 35
MOST_ROWS = 18
"""That a table shows at once; longer ones scroll."""

FACTS_STYLE = """<style>
table.facts { border-collapse: collapse; width: 100%; font-size: .875rem; }
table.facts th { text-align: left; font-weight: 400; opacity: .8; padding: .15rem 1rem .15rem 0; vertical-align: top; }
table.facts th, table.facts td { overflow-wrap: anywhere; }
table.facts td { padding: .15rem 0; }
table.facts th { width: 11rem; }
@media (max-width: 640px) { table.facts th { width: 8rem; } }
</style>"""

FALLING, RISING = "falling", "rising"

Config = Mapping[str, object]


def show_table(
    table: pd.DataFrame,
    name: str,
    key: str,
    config: Config | None = None,
    order: Sequence[str] | None = None,
    ids: str = "",
    mode: Literal["single-row", "multi-row"] = "multi-row",
    spread: Sequence[str] = (),
) -> list[str]:
    """A table with its downloads. A click on a heading sorts by it, a second click the other way round.

    :param key: what the address calls the table
    :param order: the columns that are shown; a CSV file has the others, too
    :param ids: the column whose values name the rows that are ticked; without it no row can be
    :param spread: columns of scores that are shown with half of their intervals, which have columns of their own
    :returns: those values, of the rows that are ticked
    """
    shown, arrows = _sorted(table, key, order)
    seen = shown if order is None else shown[list(dict.fromkeys([*order, *([ids] if ids else [])]))]
    columns = list(harmless(seen).columns)
    names = [str(value) for value in shown[ids]] if ids else []
    ticked = address.hold(key, names) if ids else []
    rows = [names.index(name) for name in ticked]
    widget = f"table-{key}"
    st.session_state[widget] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    st.dataframe(
        harmless(_spread(seen, shown, spread)),
        hide_index=True,
        column_order=order,
        column_config=_headed(seen, config or {}, arrows),
        placeholder=NOTHING,
        alt=name,
        height="content" if len(shown) <= MOST_ROWS else ROW_PIXELS * MOST_ROWS,
        key=widget,
        selection_mode=[mode, "single-column"] if ids else "single-column",
        on_select=partial(_selected, key, tuple(names), dict(zip(columns, seen.columns, strict=True))),
    )
    downloads(shown, name, order)
    return ticked


def fold_table(table: pd.DataFrame, name: str, key: str, config: Config | None = None) -> None:
    """The numbers of a chart, folded away below it."""
    with st.expander("The numbers", icon=":material/table:"):
        show_table(table, name, key, config)


def number_columns(names: Sequence[str], of: str = "") -> dict[str, object]:
    """How columns of numbers print; `of` is the quantity that they are all of, where their names do not say it."""
    return {name: COLUMN.NumberColumn(format=column_format(of or name)) for name in names}


def downloads(table: pd.DataFrame, name: str, order: Sequence[str] | None = None) -> None:
    """Three small buttons; the text is made when one is pressed. Columns that are not in `order` are in CSV alone."""
    first = list(order or table.columns)
    whole = table[[*first, *(column for column in table if column not in first)]]
    with st.container(horizontal=True, gap="small"):
        for label, (ending, kind, write) in FORMATS.items():
            _download(label, f"{name}.{ending}", kind, partial(write, whole if label == "CSV" else table[first]))


def show_chart(chart: Chart, name: str, about: str) -> None:
    """A chart with its downloads; `about` is what a screen reader says of it."""
    st.vega_lite_chart(chart.drawn(), alt=about)
    with st.container(horizontal=True, gap="small"):
        _download("SVG", f"{name}.svg", "image/svg+xml", partial(as_svg, chart))
        _download("PNG", f"{name}.png", "image/png", partial(as_png, chart))


def link_to(page: str, label: str, icon: str, query: Mapping[str, str | Sequence[str]], unless: str = "") -> None:
    """A link to a page in a certain state; where there is a reason against it, a disabled button that says it."""
    icon = f":material/{icon}:"
    if unless:
        st.button(label, icon=icon, help=literal(unless), disabled=True, type="tertiary")
    else:
        st.page_link(f"app_pages/{page}.py", label=label, icon=icon, query_params=query)


def score_metrics(row: Row) -> None:
    """The headlines of one model as large numbers, each with its interval."""
    with st.container(horizontal=True, gap="medium"):
        for name in (*SCORES, *BIAS):
            if name in row:
                score = row[name]
                ends = [end for end in score[1:] if end is not None and not math.isnan(end)]
                with st.container(width=130, gap=None):
                    st.metric(SHORT.get(name, name), number(score.value, name), help=SENTENCES[name])
                    st.caption(" – ".join(number(end, name) for end in ends) or "no interval")


def text_table(table: pd.DataFrame) -> None:
    """Facts in two columns that wrap; text of strangers stays text."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(fact)}</th><td dir="auto">{html.escape(value)}</td></tr>'
        for fact, value in table.itertuples(index=False)
    )
    st.html(f'{FACTS_STYLE}<table class="facts">{rows}</table>')


def show_files(path: Path) -> None:
    """The files of one result, to download; `path` comes from the index, never from a visitor."""
    files = [path, *(evidence_file(path, name) for name in EVIDENCE_FILES), path.with_name(CARD)]
    with st.container(horizontal=True, gap="small"):
        for file in filter(is_regular, files):
            read = partial(read_regular, file)
            st.download_button(file.name, read, file.name, key=file.name, on_click="ignore", icon=":material/download:")


def _download(label: str, file: str, kind: str, make: partial[str] | partial[bytes]) -> None:
    icon = ":material/download:"
    st.download_button(label, make, file, kind, key=file, on_click="ignore", type="tertiary", icon=icon)


def _sorted(table: pd.DataFrame, key: str, order: Sequence[str] | None) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table in the order that the address asks for, and the arrow of the column that it is sorted by."""
    names = [str(name) for name in order or table.columns]
    asked = address.hold(f"{key}-sort", [f"{name} {way}" for name in names for way in (FALLING, RISING)])
    if not asked:
        return table, {}
    column, _, way = asked[0].rpartition(" ")
    arrow = {column: "▾" if way == FALLING else "▴"}
    return table.sort_values(column, ascending=way == RISING, kind="stable", ignore_index=True), arrow


def _headed(table: pd.DataFrame, config: Config, arrows: Mapping[str, str]) -> dict[str, object]:
    """The configuration of the columns; headings say which way is better, and of one that the table is sorted by it."""
    headed = dict(config)
    for name in table:
        signs = [sign for sign in (DIRECTION.get(name, ""), arrows.get(name, "")) if sign]
        if signs:
            known = cast("dict[str, object]", headed.get(name) or COLUMN.Column())
            headed[name] = {**known, "label": " ".join([str(known.get("label") or name), *signs])}
    return headed


def _spread(seen: pd.DataFrame, whole: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The table with columns of scores as texts, as in `0.487 ± .013`."""
    texts = {}
    for name in names:
        ends = zip(*(whole[end].tolist() for end in (name, f"{name} low", f"{name} high")), strict=True)
        texts[name] = [plus_minus(value, low, high, name) for value, low, high in ends]
    return seen.assign(**texts)


def _selected(key: str, names: Sequence[str], columns: Mapping[str, str]) -> None:
    """Write what was clicked in a table: a heading to sort by, or the rows that are ticked."""
    selection = st.session_state[f"table-{key}"]["selection"]
    if not selection["columns"]:
        address.tick(key, [names[row] for row in selection["rows"] if row < len(names)])
        return
    column = columns[selection["columns"][0]]
    first = FALLING if falls(column) else RISING
    other = RISING if first == FALLING else FALLING
    sort = f"{key}-sort"
    address.write(sort, [f"{column} {other if address.holds(sort, f'{column} {first}') else first}"])
