"""The options of a model, shared by the verbs that load one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from panglot.cli.completion import complete_model, complete_task, complete_tasks

_MODEL = "Model"
_LARGE = "Large corpora"

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="As panglot models lists them.", autocompletion=complete_model)
]
TaskNames = Annotated[
    str, typer.Option(metavar="A,B", help="Tasks, or paths of your own data.", autocompletion=complete_tasks)
]
Languages = Annotated[str, typer.Option(metavar="en,de", help="Only these languages; default: all.")]

TaskName = Annotated[str | None, typer.Option(metavar="TASK", help="Only this task.", autocompletion=complete_task)]
MetricName = Annotated[
    str | None, typer.Option(metavar="NAME", help="As in ndcg@10; default: the headline of the task.")
]
Changes = Annotated[
    list[str], typer.Option("--set", metavar="A.B=C", help="Change a setting, as in training.steps=50.")
]

Cache = Annotated[Path | None, typer.Option(metavar="FOLDER", help="The vector cache.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Encode everything afresh.")]

QueryPrompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="What to put before queries.", rich_help_panel=_MODEL)
]
PassagePrompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="What to put before passages.", rich_help_panel=_MODEL)
]
Precision = Annotated[
    Literal["fp32", "bf16", "fp16"],
    typer.Option(metavar="fp32|bf16|fp16", help="Of its weights.", rich_help_panel=_MODEL),
]
Backend = Annotated[
    Literal["torch", "openvino"], typer.Option(metavar="torch|openvino", help="What computes.", rich_help_panel=_MODEL)
]
TruncateDim = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Cut vectors to this length.", rich_help_panel=_MODEL)
]
MaxLength = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Cut texts to N tokens (API: characters).", rich_help_panel=_MODEL),
]
Device = Annotated[
    str | None, typer.Option(metavar="NAME", help="As in cpu, cuda or cuda:0,cuda:1.", rich_help_panel=_MODEL)
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code of its repository.", rich_help_panel=_MODEL)
]
Budget = Annotated[
    float | None, typer.Option(metavar="MONEY", min=0, help="Most that an API may cost.", rich_help_panel=_MODEL)
]
TextsPerRequest = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Most texts in a request to an API.", rich_help_panel=_MODEL)
]

Shards = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Parts a language; default: of 100,000.", rich_help_panel=_LARGE),
]
Half = Annotated[bool, typer.Option("--half", help="Keep vectors in 16 bits.", rich_help_panel=_LARGE)]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Leave out judged passages that are not there.", rich_help_panel=_LARGE)
]
Engine = Annotated[
    Literal["here", "ray"], typer.Option(metavar="here|ray", help="Who counts the parts.", rich_help_panel=_LARGE)
]
Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Of a Ray cluster; default: this machine.", rich_help_panel=_LARGE),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Of Ray; default: one a CPU or GPU.", rich_help_panel=_LARGE),
]
Gpus = Annotated[float, typer.Option(metavar="N", min=0, help="Of each worker of Ray.", rich_help_panel=_LARGE)]
