"""The address is the state: every run of a page reads its choices from the query string, and only widgets write to it.

Before a widget is drawn it is given the value that the address holds; when a person changes it, its callback writes
everything that the page shows to the address, which makes one step in the browser's history. So Back, Forward, reload
and a link opened elsewhere all show the same page. Only values that the code fixes as defaults are left out of the
address: a default that depends on the results would otherwise change under a link.

A value of the address is used only where it is among the options, so nothing of it reaches a path or a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st

from leaderboard_app.charts.exports import literal
from panglot.plain import plain

T = TypeVar("T")
Values = dict[str, list[str]]

CARRIED = ("task", "metric", "model")
"""What goes along from page to page."""

_SHOWN, _BEFORE, _START, _NOTES = "address shown", "address before", "address start", "address notes"
MOST_TOLD, LONGEST = 3, 100
"""Names that a link asks for in vain, of one kind, and letters of each, that a page repeats."""

_EMPTY = [""]
"""How the address says that everything was taken out of a list."""


def begin(page: str) -> None:
    """Start a run of a page. A page drawn again at the same address keeps the defaults that it has shown."""
    start = (page, query_string())
    same = st.session_state.get(_START) == start
    before = {**st.session_state.get(_BEFORE, {}), **st.session_state.get(_SHOWN, {})}
    st.session_state[_BEFORE] = before if same else {}
    st.session_state[_START] = start
    st.session_state[_SHOWN] = {}
    st.session_state.pop(_NOTES, None)


def show_notes_here() -> None:
    """Say here what a link asks for in vain: a picker may be folded away."""
    st.session_state[_NOTES] = st.container()


def query_string() -> str:
    """The query string that this run was started with."""
    return _encode(_written())


def complete_query_string() -> str:
    """The query string with everything that the page shows, whether chosen or not."""
    return _encode(_complete())


def carried() -> list[tuple[str, str]]:
    """What a link to another page takes along."""
    return [(name, value) for name in CARRIED for value in _read(name)]


def select(
    label: str,
    options: Sequence[T],
    key: str,
    default: T,
    *,
    fixed: bool = False,
    why: Mapping[str, str] = MappingProxyType({}),
    widget: Callable[..., Any] = st.selectbox,
    **look: Any,
) -> T:
    """One of several options, by `str(option)` in the address.

    :param fixed: whether the default does not depend on the results
    :param why: reasons why what a link may ask for is not an option
    """
    named = {str(option): option for option in options}
    asked = _read(key)
    value = named.get(asked[-1], default) if asked else default
    hide = [str(default)] if fixed else None
    _show(key, [str(value)], hide)
    st.session_state[key] = value
    chosen: T = widget(label, options, key=key, on_change=_write, args=(key, hide), **look)
    _tell_missing(label, [name for name in asked[-1:] if name not in named], why)
    return chosen


def segments(
    label: str,
    options: Sequence[T],
    key: str,
    default: T,
    *,
    fixed: bool = True,
    named: Mapping[T, str] = MappingProxyType({}),
) -> T:
    """One of a few options, all of them visible; unlike a menu, Streamlit reads them as Markdown."""

    def text_of(option: T) -> str:
        return literal(named.get(option, str(option)))

    widget = partial(st.segmented_control, format_func=text_of, required=True)
    return select(label, options, key, default, fixed=fixed, widget=widget)


def select_many(
    label: str,
    options: Sequence[T],
    key: str,
    default: Sequence[T] = (),
    *,
    why: Mapping[str, str] = MappingProxyType({}),
    **look: Any,
) -> list[T]:
    """Any of several options, each by `str(option)` in the address; without a `default` nothing is selected."""
    named = {str(option): option for option in options}
    asked = _read(key)
    there = [named[name] for name in dict.fromkeys(asked) if name in named] if asked else list(default)
    most = look.get("max_selections") or len(there)
    value = there[:most]
    hide = [str(option) for option in default] if list(default) in ([], list(options)) else None
    _show(key, [str(option) for option in value], hide)
    st.session_state[key] = value
    chosen: list[T] = st.multiselect(label, options, key=key, on_change=_write, args=(key, hide), **look)
    _tell_missing(label, [name for name in asked if name and name not in named], why)
    if len(there) > most:
        _tell(f"{label}: the link asks for {len(there):,}, of which the first {most:,} are shown.")
    return chosen


def toggle(label: str, key: str) -> bool:
    """A switch that is off unless switched on."""
    asked = _read(key)[-1:]
    value = asked == _spelt(True)
    _show(key, _spelt(value), _spelt(False))
    st.session_state[key] = value
    on = st.toggle(label, key=key, on_change=_write, args=(key, _spelt(False)))
    _tell_missing(label, [name for name in asked if name not in ("true", "false")])
    return on


def text(label: str, key: str, max_chars: int, **look: Any) -> str:
    """A line of text, empty unless something was typed."""
    value = "".join(_read(key)[-1:])[:max_chars]
    _show(key, [value], _EMPTY)
    st.session_state[key] = value
    return st.text_input(label, key=key, max_chars=max_chars, on_change=_write, args=(key, _EMPTY), **look)


def hold(key: str, names: Sequence[str], label: str) -> list[str]:
    """The given names that are in the address, in its order, for a choice without a widget of its own.

    If another widget has read the key, that widget reports what is missing.
    """
    known, asked = set(names), list(dict.fromkeys(_read(key)))
    there = [name for name in asked if name in known]
    if key not in st.session_state.get(_SHOWN, {}):
        _tell_missing(label, [name for name in asked if name and name not in known])
    _show(key, there, [])
    return there


def holds(key: str, name: str) -> bool:
    """Whether the address holds a name; for the callback of a table."""
    return name in _read(key)


def write(key: str, values: Sequence[str]) -> None:
    """Write what a person chose in a table; for its callback."""
    st.query_params.from_dict({**_complete(), key: list(values)})


def tick(key: str, names: Sequence[str]) -> None:
    """Write which rows are ticked, in the order in which they were; for the callback of a table."""
    before = [name for name in _read(key) if name in names]
    write(key, [*before, *(name for name in names if name not in before)])


def clear(keys: Iterable[str]) -> None:
    """Take choices back; for the callback of a button."""
    st.query_params.from_dict({key: values for key, values in _complete().items() if key not in set(keys)})


def _tell_missing(label: str, names: Sequence[str], why: Mapping[str, str] = MappingProxyType({})) -> None:
    """Say what a link asks for in vain, so that nothing else is shown in its place without a word."""
    for name in names[:MOST_TOLD]:
        _tell(why.get(name) or f"{label}: the link asks for {name[:LONGEST]}, which is not available here.")
    if len(names) > MOST_TOLD:
        _tell(f"{label}: the link asks for {len(names) - MOST_TOLD:,} more that are not available here.")


def _tell(said: str) -> None:
    st.session_state.get(_NOTES, st).caption(f":material/link_off: {literal(plain(said))}")


def _read(key: str) -> list[str]:
    return st.query_params.get_all(key) or st.session_state.get(_BEFORE, {}).get(key, [])


def _show(key: str, values: list[str], hide: Sequence[str] | None) -> None:
    """Note what the page shows under a name; nothing where that is the fixed default."""
    shown: Values = st.session_state.setdefault(_SHOWN, {})
    shown[key] = [] if values == hide else values or _EMPTY


def _write(key: str, hide: Sequence[str] | None) -> None:
    """The callback of every widget: what it says now, and what else the page has shown, becomes the address."""
    values = _spelt(st.session_state[key])
    write(key, [] if values == hide else values or _EMPTY)


def _spelt(value: object) -> list[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]


def _written() -> Values:
    return {key: st.query_params.get_all(key) for key in st.query_params}


def _complete() -> Values:
    complete = {**_written(), **st.session_state.get(_SHOWN, {})}
    return {key: values for key, values in complete.items() if values}


def _encode(query: Mapping[str, Sequence[str]]) -> str:
    return urlencode(query, doseq=True)
