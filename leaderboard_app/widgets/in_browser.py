"""What only the browser can do for a page: complete and copy its address, name its grids, enter them, tell its width.

What a page shows by default is written into the address without a step in the browser's history, unless the address is
no longer the one that the page was drawn for. What takes the focus inside tables gets the names of these, which
Streamlit gives to the frames around them alone.

When Back is pressed twice, Streamlit runs the page in between, too, and when that page begins it pushes its address,
although the reader is elsewhere by then; which ends what Forward could lead to. So only what a reader does on a page
makes a step in the history.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import streamlit as st

NARROW_BELOW = 640
"""Pixels of a window."""

HTML = '<button type="button">Copy link</button>'

CSS = """
button {
  font: inherit; font-size: .875rem; color: var(--st-text-color); background: none; cursor: pointer;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); padding: .3rem .75rem;
  white-space: nowrap;
}
button:hover, button:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); }
"""

JS = """
const sorted = (query) => { const parts = new URLSearchParams(query); parts.sort(); return parts.toString() }

const nameGrids = () => {
  const parts = ':is([role="grid"], canvas[tabindex], .dvn-scroller):not([aria-label])'
  for (const part of document.querySelectorAll(`[data-testid="stDataFrame"] ${parts}`)) {
    const frame = part.closest("[aria-label]")
    if (frame) part.setAttribute("aria-label", frame.getAttribute("aria-label"))
  }
}

// Where rows were ticked or sorted by the server no cell is current, and the arrows would lead nowhere.
const STEPS = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] }
const enterGrid = (event) => {
  const step = STEPS[event.key]
  const grid = step && event.target.closest?.('[data-testid="stDataFrame"]')
  if (!grid || grid.querySelector('td[aria-selected="true"]')) return
  const [, column, row] = event.target.id.match(/^glide-cell-(\\d+)-(\\d+)$/)?.map(Number) ?? []
  const next = grid.querySelector(`#glide-cell-${column + step[0]}-${row + step[1]}`)
  if (next) event.stopPropagation()
  const cell = next ?? grid.querySelector("td")  // from the first one the grid makes the step itself
  cell?.focus()
}

// Streamlit pushes the address of any page that begins to run: also that of one which a reader has left by Back.
const keepHistory = () => {
  if (window.panglotKeepsHistory) return
  window.panglotKeepsHistory = true
  let acted = true
  for (const kind of ["pointerdown", "keydown", "click", "input", "change"]) {
    window.addEventListener(kind, () => { acted = true }, true)
  }
  window.addEventListener("popstate", () => { acted = false }, true)
  const push = window.history.pushState.bind(window.history)
  window.history.pushState = (...entry) => { if (acted) push(...entry) }
}

export default function ({ data, parentElement, setStateValue }) {
  keepHistory()
  nameGrids()
  const narrow = window.innerWidth < data.narrowBelow
  if (narrow !== data.narrow) setStateValue("narrow", narrow)
  const watcher = new MutationObserver(nameGrids)
  watcher.observe(document.body, { childList: true, subtree: true })
  window.addEventListener("keydown", enterGrid, true)
  const here = window.location
  const page = here.pathname.split("/").pop()
  if (page === data.page && sorted(here.search) === sorted(data.query) && data.query !== data.complete) {
    window.history.replaceState(window.history.state, "", `${here.pathname}?${data.complete}${here.hash}`)
  }
  const button = parentElement.querySelector("button")
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(here.href)
      button.textContent = "Link copied"
      setTimeout(() => { button.textContent = "Copy link" }, 2000)
    } catch {
      window.prompt("Copy this link:", here.href)  // without https a browser may refuse the clipboard
    }
  }
  return () => {
    watcher.disconnect()
    window.removeEventListener("keydown", enterGrid, true)
  }
}
"""


def finish_page(page: str, query: str, complete: str) -> None:
    """Finish a page that was drawn for the query string `query` and shows what `complete` says."""
    data = {"page": page, "query": query, "complete": complete, "narrow": on_phone(), "narrowBelow": NARROW_BELOW}
    _component()(key="page", data=data, width="content", on_narrow_change=_drawn_again)


def on_phone() -> bool:
    """Whether the window is as narrow as a phone's; a page that was drawn for another width is drawn again."""
    return bool(st.session_state.get("page", {}).get("narrow", False))


def _drawn_again() -> None:
    """A change of the width has no other effect."""


@cache
def _component() -> Any:
    return st.components.v2.component("panglot_page", html=HTML, css=CSS, js=JS)
