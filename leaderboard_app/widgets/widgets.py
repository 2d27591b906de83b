"""What several pages show alike: tables and charts with their downloads, links between pages, files.

Rows that are ticked and the order of a table live in the address, as every other choice does.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, cast
from urllib.parse import quote

import pandas as pd
import streamlit as st
from pandas.api.types import is_float_dtype as is_float
from pandas.api.types import is_numeric_dtype as is_numeric

from leaderboard_app.charts.exports import FORMATS, as_png, as_svg, harmless, literal
from leaderboard_app.charts.vega import Chart
from leaderboard_app.index.strangers import is_regular, read_regular
from leaderboard_app.tables.board import BIAS, SCORES, Row
from leaderboard_app.tables.columns import DIRECTION, SENTENCES, SHORT, falls
from leaderboard_app.tables.formats import (
    P_VALUES,
    Ends,
    column_format,
    decimals,
    ends_of,
    number,
    printed,
    shortened,
    with_intervals,
)
from leaderboard_app.widgets import address
from leaderboard_app.widgets.in_browser import on_phone
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

LINK = "leads to"
"""The column of a table that says where the names of its models lead."""
LEAST_LETTERS, MOST_LETTERS, ON_PHONE = 24, 84, 25
"""Letters of models' names that a column has room for; on a phone a score has to be in view beside it."""
LETTER, AROUND = 6.5, 28
"""Pixels of a letter, on average, and of what is around a name."""
_NUMBERS_AS_TEXT = {"type_config": COLUMN.TextColumn()["type_config"], "alignment": "right"}

Config = Mapping[str, object]


def show_table(
    table: pd.DataFrame,
    name: str,
    key: str,
    config: Config | None = None,
    order: Sequence[str] | None = None,
    ids: str = "",
    mode: Literal["single-row", "multi-row"] = "multi-row",
    spread: Sequence[str] | None = None,
    rows: int = MOST_ROWS,
) -> list[str]:
    """A table with its downloads. A click on a heading sorts by it, a second click the other way round.

    Scores that have intervals, in columns of their own, are shown with half of these. Where the table has a column
    `leads to`, the names in `model` lead there.

    :param key: what the address calls the table
    :param order: the columns that are shown; a CSV file has the others, too
    :param ids: the column whose values name the rows that are ticked; without it no row can be
    :param spread: the scores that are shown with their intervals; all of them unless given
    :param rows: how many are in view at once; longer tables scroll
    :returns: those values, of the rows that are ticked
    """
    ends = {column: found for column, found in ends_of(table).items() if spread is None or column in spread}
    folded = {LINK, "id", *(end for found in ends.values() for end in found)}
    listed = list(order) if order is not None else [column for column in table if column not in folded]
    shown, arrows = _sorted(table, key, listed)
    wanted = list(dict.fromkeys([*listed, *([ids] if ids else [])]))
    texts = _as_texts(shown[wanted], ends, config or {})
    seen = harmless(with_intervals(shown, ends).assign(**texts)[wanted])
    columns = dict(zip(seen.columns, wanted, strict=True))
    names = [str(value) for value in shown[ids]] if ids else []
    ticked = address.hold(key, names, "Selected rows") if ids else []
    heads = _headed(listed, config or {}, arrows, {*ends, *(name for name in texts if is_numeric(shown[name]))})
    if LINK in shown:
        seen["model"], heads["model"] = _as_links(shown, heads["model"])
    marked = [names.index(name) for name in ticked]
    widget = f"table-{key}"
    held = st.session_state.get(widget, {}).get("selection", {})
    if held.get("columns") or sorted(held.get("rows", [])) != sorted(marked):  # what is set takes the focus off a cell
        st.session_state[widget] = {"selection": {"rows": marked, "columns": [], "cells": []}}
    st.dataframe(
        seen,
        hide_index=True,
        column_order=[column for column in seen if columns[column] in listed],
        column_config=heads,
        placeholder=NOTHING,
        alt=name,
        height="content" if len(shown) <= rows else ROW_PIXELS * rows,
        key=widget,
        selection_mode=[mode, "single-column"] if ids else "single-column",
        on_select=partial(_selected, key, tuple(names), columns),
    )
    downloads(shown.drop(columns=LINK, errors="ignore"), name, listed)
    return ticked


def fold_table(table: pd.DataFrame, name: str, key: str, config: Config | None = None) -> None:
    """The numbers of a chart, folded away below it."""
    with st.expander("The numbers", icon=":material/table:"):
        show_table(table, name, key, config)


def number_columns(names: Sequence[str], of: str = "") -> dict[str, object]:
    """How columns of numbers print; `of` is the quantity that they are all of, where their names do not say it."""
    return {name: COLUMN.NumberColumn(format=column_format(of or name)) for name in names}


def downloads(table: pd.DataFrame, name: str, order: Sequence[str]) -> None:
    """Three small buttons; the text is made when one is pressed.

    CSV has all columns with all digits; the others have those of `order`, scores with half of their intervals, and the
    full id of each model where the table has it.
    """
    whole = table[[*order, *(column for column in table if column not in order)]]
    paper = [*order, *(["id"] if "id" in table and "id" not in order else [])]
    with st.container(horizontal=True, gap="small"):
        for label, (ending, kind, write) in FORMATS.items():
            make = partial(write, whole) if label == "CSV" else partial(_for_paper, write, table, paper)
            _download(label, f"{name}.{ending}", kind, make)


def _for_paper(write: Callable[[pd.DataFrame], str], table: pd.DataFrame, order: Sequence[str]) -> str:
    """Some columns of a table as text, scores with half of their intervals."""
    ends = {name: found for name, found in ends_of(table).items() if name in order}
    return write(with_intervals(table, ends)[list(order)])


def show_chart(chart: Chart, name: str, about: str) -> None:
    """A chart with its downloads; `about` is what a screen reader says about it, and the title of what is saved."""
    st.vega_lite_chart(chart.drawn(), alt=about)
    with st.container(horizontal=True, gap="small"):
        _download("SVG", f"{name}.svg", "image/svg+xml", partial(as_svg, chart, about, name))
        _download("PNG", f"{name}.png", "image/png", partial(as_png, chart, about, name))


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
    orders = [f"{name} {way}" for name in names for way in (FALLING, RISING)]
    asked = address.hold(f"{key}-sort", orders, "Order of the table")
    if not asked:
        return table, {}
    column, _, way = asked[0].rpartition(" ")
    arrow = {column: "▾" if way == FALLING else "▴"}
    return table.sort_values(column, ascending=way == RISING, kind="stable", ignore_index=True), arrow


def _as_texts(table: pd.DataFrame, ends: Ends, config: Config) -> dict[str, list[str]]:
    """The columns that Streamlit would print badly: ranks, sizes, p, and those with a dash, which would be pale."""
    texts = {}
    for name, column in table.items():
        look = cast("Mapping[str, Mapping[str, str]]", config.get(name) or {})
        form = look.get("type_config", {}).get("format") or ""
        own = name in P_VALUES or (decimals(name) == 1 and is_float(column))
        if name not in ends and (own or form == "compact" or column.hasnans):
            number_text = partial(number, name=name) if own else partial(printed, form=form)
            texts[name] = [number_text(value) if is_numeric(column) else value or NOTHING for value in column]
    return texts


def _as_links(table: pd.DataFrame, head: object) -> tuple[list[str], dict[str, object]]:
    """Where each model's name leads, with the name behind `#`, and the head of the column, as wide as the longest."""
    most = ON_PHONE if on_phone() else MOST_LETTERS
    names = [shortened(name, most) for name in table["model"]]
    links = [f"{link}#{quote(name, safe='')}" for link, name in zip(table[LINK], names, strict=True)]
    letters = most if on_phone() else max(LEAST_LETTERS, *map(len, names))
    column = COLUMN.LinkColumn(width=round(LETTER * letters) + AROUND, pinned=on_phone(), display_text="#(.*)$")
    return links, {**cast("dict[str, object]", head), **{name: look for name, look in column.items() if look}}


def _headed(
    listed: Sequence[str], config: Config, arrows: Mapping[str, str], texts: Collection[str]
) -> dict[str, object]:
    """The configuration of the columns; headings say which way is better, and of one that the table is sorted by it."""
    headed = dict(config)
    for name in listed:
        known = cast("dict[str, object]", headed.get(name) or COLUMN.Column())
        signs = [sign for sign in (DIRECTION.get(name, ""), arrows.get(name, "")) if sign]
        if signs:
            known = {**known, "label": " ".join([str(known.get("label") or name), *signs])}
        if name in texts:
            known = {**known, **_NUMBERS_AS_TEXT}
        headed[name] = known
    return headed


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
