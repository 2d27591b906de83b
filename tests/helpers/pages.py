"""Pages of the board, run without a browser."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers.layout import ROOT
from tests.helpers.processes import LONGEST

PAGES = ROOT / "leaderboard_app" / "app_pages"

Open: TypeAlias = Callable[..., AppTest]
"""Runs a page by its name, on a folder of submissions, with choices in its address."""


def named(table: pd.DataFrame) -> pd.DataFrame:
    """A table of a page with the names that its links show in place of these."""
    return table.assign(model=[unquote(link.partition("#")[2]) for link in table["model"]])


def page_opener(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Return what opens pages; nothing is remembered from earlier tests."""
    st.cache_data.clear()
    st.cache_resource.clear()

    def opened(page: str, folder: Path, **query: str | list[str]) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app", str(folder)])
        test = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=LONGEST)
        for name, value in query.items():
            test.query_params[name] = value
        return test.run()

    return opened
