"""What a machine may lack: a test is skipped there, unless PANGLOT_REQUIRE_DATA=1 says that all of it must exist."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

DATA_FOLDER = Path(os.environ.get("PANGLOT_DATA") or Path(__file__).parents[3] / "shared" / "data").resolve()


def absent(advice: str) -> NoReturn:
    """Skip the test, or fail it where everything must exist."""
    if os.environ.get("PANGLOT_REQUIRE_DATA") == "1":
        pytest.fail(advice)
    pytest.skip(advice)


def reported_folder() -> Path:
    """The folder with what others reported; the test is skipped without it."""
    folder = DATA_FOLDER / "reported"
    if not folder.is_dir():
        absent(f"No {folder}. Put the reported results there, or name another data folder by PANGLOT_DATA.")
    return folder
