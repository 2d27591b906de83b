"""`panglot board`: read what is new, say how far it was verified, and serve the pages, in one process.

python -m leaderboard_app.serve SUBMISSIONS INBOX ADDRESS PORT
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from panglot.cli.interruption import end_plainly


def main(submissions: str, inbox: str, address: str, port: str) -> None:
    """Serve the pages until the process is told to stop; all other settings are in `.streamlit/config.toml`."""
    gc.set_threshold(50_000)  # what is imported and read at the start stays: looking through it takes half a second
    from streamlit.web.cli import main as streamlit

    from leaderboard_app.index.index import read_index, update
    from leaderboard_app.index.verification import trusted
    from panglot.cli.output import echo
    from panglot.cli.view.terminal import progress_bar

    folder = Path(submissions)
    update(folder, progress_bar)
    echo(trusted(read_index(folder)))
    page = str(Path(__file__).with_name("app.py"))
    gc.freeze()  # Streamlit looks for garbage after each run of a page: not in what is here by now
    streamlit(["run", page, f"--server.address={address}", f"--server.port={port}", "--", submissions, inbox])


if __name__ == "__main__":
    end_plainly(lambda: main(*sys.argv[1:]))
