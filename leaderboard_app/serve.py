"""`panglot board`: read what is new, say how far it was verified, and serve the pages, in one process.

python -m leaderboard_app.serve SUBMISSIONS INBOX ADDRESS PORT
"""

from __future__ import annotations

import sys
from pathlib import Path

from leaderboard_app.index import read_index, update
from leaderboard_app.verification import trusted
from panglot.cli.interruption import end_plainly
from panglot.cli.output import echo
from panglot.cli.view.terminal import progress_bar


def main(submissions: str, inbox: str, address: str, port: str) -> None:
    """Serve the pages until the process is told to stop; all other settings are in `.streamlit/config.toml`."""
    from streamlit.web.cli import main as streamlit

    folder = Path(submissions)
    update(folder, progress_bar)
    echo(trusted(read_index(folder)))
    page = str(Path(__file__).with_name("app.py"))
    streamlit(["run", page, f"--server.address={address}", f"--server.port={port}", "--", submissions, inbox])


if __name__ == "__main__":
    end_plainly(lambda: main(*sys.argv[1:]))
