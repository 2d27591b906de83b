"""`panglot demo`: score a real model on a small task and show the next steps."""

from __future__ import annotations

from pathlib import Path

from panglot.cli.output import AsJson, echo, open_console, print_json
from panglot.files import cache_dir, check_writable

MODEL, TASK = "use-multilingual", "starter"

WELCOME = """\
Scoring the multilingual Universal Sentence Encoder on questions and answers in
11 languages. This takes a few seconds and needs no network."""

NEXT = """
Queries were run within each language (mono), across each pair of languages
(cross) and against one pool of all languages (multi). The result and its
evidence are in
{folder}

Next steps:
  see which languages the model favours
    {command} show {folder} --bias
  run a full task: 11 languages, 13,090 queries
    {command} run {model} --tasks xquad-r
  list other models you can score
    {command} models
"""


def demo(as_json: AsJson = False) -> None:
    """Score the built-in model on a small task: start here.

    Writes results to the cache folder and prints the next steps.

    Example: panglot demo
    """
    for line in WELCOME.splitlines():  # before anything is loaded
        echo(line, aside=as_json)
    out = _folder()
    check_writable(out, "XDG_CACHE_HOME")

    from rich.text import Text

    from panglot.cli.names import find_task
    from panglot.cli.view.terminal import pair_matrix, progress_bar, score_table
    from panglot.encode.load import load_model
    from panglot.evaluate.run import run
    from panglot.results.result_record import read_result_record

    result = run(find_task(TASK), load_model(MODEL), progress=progress_bar)
    path = result.save(out)
    if as_json:
        print_json(read_result_record(path).to_dict())
        return
    console = open_console()
    console.print(score_table([result.record]))
    console.print(pair_matrix(result.record))
    console.print(Text(NEXT.format(folder=path.parent, command=_command(), model=MODEL)), soft_wrap=True)


def _folder() -> Path:
    return cache_dir("demo")


def _command() -> str:
    """Return how to type this command here: by path if it is not on PATH."""
    import sys
    from shutil import which

    return "panglot" if which("panglot") else sys.argv[0]
