"""The options of a model, shared by the verbs that load one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from panglot.cli.completion import complete_model, complete_task, complete_tasks

_MODEL = "Model"
_LARGE = "Large corpora"

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model name; see panglot models.", autocompletion=complete_model)
]
TaskNames = Annotated[
    str, typer.Option(metavar="A,B", help="Task names, or paths to your own data.", autocompletion=complete_tasks)
]
Languages = Annotated[str, typer.Option(metavar="en,de", help="Only these languages; default: all.")]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="Own data: read qrels/NAME.tsv.")]
Detect = Annotated[str, typer.Option(metavar="all|de,en", help="Own data: detect missing languages.")]

TaskName = Annotated[str | None, typer.Option(metavar="TASK", help="Only this task.", autocompletion=complete_task)]
MetricName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Metric, e.g. ndcg@10; default: the task's headline metric.")
]
Changes = Annotated[
    list[str], typer.Option("--set", metavar="A.B=C", help="Override a setting, e.g. training.steps=50.")
]

Cache = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Vector cache folder.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Encode everything again.")]

QueryPrompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Prefix for every query.", rich_help_panel=_MODEL)
]
PassagePrompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Prefix for every passage.", rich_help_panel=_MODEL)
]
Precision = Annotated[
    Literal["fp32", "bf16", "fp16"] | None,
    typer.Option(metavar="fp32|bf16|fp16", help="Precision; default: fp32, GPU: as stored.", rich_help_panel=_MODEL),
]
Backend = Annotated[
    Literal["torch", "openvino"],
    typer.Option(metavar="torch|openvino", help="Inference backend.", rich_help_panel=_MODEL),
]
TruncateDim = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Truncate vectors to N dimensions.", rich_help_panel=_MODEL)
]
MaxLength = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Maximum tokens per text (API: characters).", rich_help_panel=_MODEL),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="cpu, cuda, cuda:0,cuda:1, or auto to spread.", rich_help_panel=_MODEL),
]
BatchTokens = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Tokens per batch; default: the fastest is found.", rich_help_panel=_MODEL),
]
RankDevice = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Device for ranking; default: the model's GPU."),
]
SkipDamaged = Annotated[bool, typer.Option("--skip-damaged", help="Skip damaged images and captions.")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Allow code from the model repository.", rich_help_panel=_MODEL)
]
Budget = Annotated[float | None, typer.Option(metavar="MONEY", min=0, help="Maximum API cost.", rich_help_panel=_MODEL)]
TextsPerRequest = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Maximum texts per API request.", rich_help_panel=_MODEL)
]

Shards = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Shards per language; default: one per 100,000 passages.", rich_help_panel=_LARGE
    ),
]
Half = Annotated[bool, typer.Option("--half", help="Store vectors as 16-bit floats.", rich_help_panel=_LARGE)]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Skip judged passages missing from the corpus.", rich_help_panel=_LARGE)
]
Engine = Annotated[
    Literal["here", "ray"], typer.Option(metavar="here|ray", help="Where shards run.", rich_help_panel=_LARGE)
]
Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Ray cluster address; default: this machine.", rich_help_panel=_LARGE),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Ray workers; default: one per CPU or GPU.", rich_help_panel=_LARGE),
]
Gpus = Annotated[float, typer.Option(metavar="N", min=0, help="GPUs per Ray worker.", rich_help_panel=_LARGE)]
