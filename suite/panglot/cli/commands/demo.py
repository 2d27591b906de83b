"""`panglot demo`: a real model on a small set, and what to do next."""

from __future__ import annotations

from pathlib import Path

from panglot.cli.output import AsJson, echo, open_console, print_json
from panglot.files import cache_dir, check_writable

MODEL, TASK = "use-multilingual", "starter"

WELCOME = """\
Scoring a real encoder, Universal Sentence Encoder multilingual, on questions and
answers in 11 languages. It takes some seconds, and no network."""

NEXT = """
Each language was asked within itself (mono), across each other one (cross) and
in one pool of all (multi). The result and its evidence are in
{folder}

Next:
  which languages it favours
    {command} show {folder} --bias
  a full task: 11 languages, 13,090 queries
    {command} run {model} --tasks xquad-r
  what else can be scored
    {command} models
"""


def demo(as_json: AsJson = False) -> None:
    """Score the embedded model on a small set: start here.

    Results go to a folder of the user's cache, and what to do next is said.

    Example: panglot demo
    """
    for line in WELCOME.splitlines():  # before anything is loaded
        echo(line, aside=as_json)
    out = _folder()
    check_writable(out, "XDG_CACHE_HOME")

    from panglot.cli.names import find_task
    from panglot.cli.view.terminal import pair_matrix, progress_bar, score_table
    from panglot.encode.model import load_model
    from panglot.evaluate.run import run
    from panglot.results.result_record import read_result_record

    result = run(find_task(TASK), load_model(MODEL), progress=progress_bar)
    path = result.save(out)
    if as_json:
        print_json(read_result_record(path).plain())
        return
    console = open_console()
    console.print(score_table([result.record]))
    console.print(pair_matrix(result.record))
    console.print(NEXT.format(folder=path.parent, command=_command(), model=MODEL), soft_wrap=True)


def _folder() -> Path:
    return cache_dir("demo")


def _command() -> str:
    """How this command is typed here: by its path where the shell does not find it."""
    import sys
    from shutil import which

    return "panglot" if which("panglot") else sys.argv[0]
