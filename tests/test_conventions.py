"""What the tests keep to: shared things are helpers, and processes are started where none can be left behind."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
FILES = sorted(HERE.rglob("*.py"))
IMPORT = re.compile(r"^\s*(?:from|import) tests\.(?:test_|conftest)", re.MULTILINE)
START = re.compile(r"^ .*\bsubprocess\.(?:run|Popen|call|check_\w+)\(", re.MULTILINE)
"""In a function; the text of a program that a test runs begins its lines at the margin."""


def found(pattern: re.Pattern[str]) -> list[str]:
    """The files with such a line."""
    return [path.name for path in FILES if pattern.search(path.read_text(encoding="utf-8"))]


def test_no_module_imports_tests_or_conftest() -> None:
    assert found(IMPORT) == []


def test_only_the_helper_starts_processes() -> None:
    assert found(START) == ["processes.py"]
