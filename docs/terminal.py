"""Take the README's picture of the terminal anew: python docs/terminal.py (or make readme).

It is what the command really prints; the fonts are those of whoever looks at it, none is loaded from elsewhere.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "terminal.svg"
COMMAND = "panglot show submissions/use-multilingual@0.2.1/xquad-r.json --matrix"
WIDTH = 80
PALE_BLACK, BLACK = "#4b4e55", "#000000"
"""What rich calls black cannot be read on the light cells of a heat map."""


def picture() -> str:
    """The terminal after the command, as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ ", style="bold green").append(COMMAND, style="not bold"))
    console.print(Text.from_ansi(_printed(), no_wrap=True))
    without_fonts = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="panglot", code_format=without_fonts, unique_id="terminal")
    return svg.replace(PALE_BLACK, BLACK)


def _printed() -> str:
    """What the command prints to a person, colours included."""
    shown = {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"}
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "panglot", *shlex.split(COMMAND)[1:]]
    return subprocess.run(command, cwd=ROOT, env=kept | shown, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
