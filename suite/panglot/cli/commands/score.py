"""`panglot score`: score a TREC run from another system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panglot.cli.completion import complete_task
from panglot.cli.names import DataDir, find_task, split
from panglot.cli.options import Languages
from panglot.cli.output import AsJson, open_console, print_json

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.evaluate.external_run import RunScores

SHOWN = ("ndcg@10", "recall@100", "map", "mrr@10")


def score(
    run: Annotated[Path, typer.Argument(metavar="RUN", exists=True, help="TREC run file, plain or gzipped.")],
    task: Annotated[str, typer.Option(metavar="TASK", help="Task of the run.", autocompletion=complete_task)],
    languages: Languages = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Score a TREC run from another system, as trec_eval does.

    Candidates are sorted by score, then id. Unlisted candidates count as not retrieved.

    Example: panglot score run.sw.trec.gz --task miracl-hn --languages sw
    """
    from panglot.evaluate.external_run import score_run
    from panglot.interop.trec import read_run

    scores = score_run(find_task(task), read_run(run), split(languages))
    if as_json:
        print_json(scores.model_dump(mode="json"))
    else:
        _show(open_console(), scores)


def _show(console: PlainConsole, scores: RunScores) -> None:
    from rich import box
    from rich.table import Table

    from panglot.languages import language_label

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("language")
    for name in SHOWN:
        table.add_column(name, justify="right")
    rows = {
        language_label(language): {metric: score.value for metric, score in own.items()}
        for language, own in scores.by_language.items()
    }
    if len(scores.languages) > 1:
        rows["mean of languages"] = {metric: score.value for metric, score in scores.scores.items()}
        rows["mean of queries"] = scores.all_queries
    for name, values in rows.items():
        table.add_row(name, *(f"{values[metric]:.4f}" for metric in SHOWN))
    console.print(table)
    console.print(
        f"{scores.task}, {scores.setting}, {scores.queries:,} queries, {scores.queries_without_list:,} without a list. "
        f"The run is truncated: the longest list has {scores.longest_list:,} candidates, and "
        f"{scores.relevant_not_listed:,} of {scores.relevant:,} relevant candidates have no rank."
    )
    if scores.listed_outside:
        console.print(
            f"{scores.listed_outside:,} listed candidates are not in this pool. They still take ranks, as in trec_eval."
        )
    if scores.listed_excluded:
        console.print(
            f"{scores.listed_excluded:,} lists contain a candidate that is excluded for their query, such as the query "
            "itself. It still takes a rank, as in trec_eval; remove it from the run."
        )
