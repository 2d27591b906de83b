"""Addresses of the board's pages in a certain state, for links in tables."""

from __future__ import annotations

from urllib.parse import urlencode


def address_of(page: str, **query: str) -> str:
    """A page with these choices, relative to the board's own address."""
    return f"{page}?{urlencode(query)}"


def model_link(task: str, folder: str) -> str:
    """Where all that is known about a model that was handed in is shown, on a task."""
    return address_of("model", task=task, model=folder)


def reported_link(task: str, model: str, revision: str) -> str:
    """Where all that others reported of a model is shown, on a task."""
    return address_of("field", on=task, search=model.rpartition("/")[2], rows=f"{model}@{revision}")
