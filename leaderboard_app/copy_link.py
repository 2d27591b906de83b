"""A button that copies the address, and completes it first: what a page shows by default is written into it in place.

Only the browser can change an address without a step in its history, so this is done there. Nothing is done where the
address is no longer the one that the page was drawn for.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import streamlit as st

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

export default function ({ data, parentElement }) {
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
}
"""


def copy_link(page: str, query: str, complete: str) -> None:
    """Draw the button for a page that was drawn for the query string `query` and shows what `complete` says."""
    _component()(key="copy-link", data={"page": page, "query": query, "complete": complete}, width="content")


@cache
def _component() -> Any:
    return st.components.v2.component("panglot_copy_link", html=HTML, css=CSS, js=JS)
