"""What the site takes from the code and the folders: the command line's reference, the list of decisions.

MkDocs calls these functions while it builds; see `hooks` in mkdocs.yml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

from panglot.cli.main import app

DECISIONS = Path(__file__).parent / "decisions"
COMMAND_LINE = "<!-- the command line -->"


def on_config(config: Any) -> Any:
    """Put the decisions, in the order of their file names, at the end of the navigation."""
    pages = [f"decisions/{path.name}" for path in sorted(DECISIONS.glob("*.md"))]
    config.nav = [entry for entry in config.nav if "Decisions" not in entry]
    if pages:
        config.nav.append({"Decisions": pages})
    return config


def on_page_markdown(markdown: str, **settings: Any) -> str:
    """Put every verb with its options where the page asks for them."""
    return markdown.replace(COMMAND_LINE, command_line()) if COMMAND_LINE in markdown else markdown


def command_line() -> str:
    """All verbs and their options as Markdown; examples as code."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="panglot"), name="panglot")
    _, _, verbs = text.partition("\n## ")
    return re.sub(r"^Example: (.+)$", r"Example: `\1`", f"## {verbs}", flags=re.MULTILINE)
