"""The options of a model, shared by the verbs that load one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from suite.cache import VectorCache
    from suite.streamed_run import How

_MODEL = "Model"
_CACHE = "Vector cache"
_LARGE = "Large corpora"

ModelName = Annotated[str, typer.Argument(help="What to score; panglot models lists the ways of naming it.")]
TaskNames = Annotated[str, typer.Option(help="Names of tasks, or folders with data of your own, divided by commas.")]
Languages = Annotated[str, typer.Option(help="Only these, as in en,de,zh; default: all of the task.")]

Cache = Annotated[Path | None, typer.Option(help="Folder of the vector cache.", rich_help_panel=_CACHE)]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Encode everything afresh.", rich_help_panel=_CACHE)]

QueryPrompt = Annotated[str | None, typer.Option(help="What to put before queries.", rich_help_panel=_MODEL)]
PassagePrompt = Annotated[str | None, typer.Option(help="What to put before passages.", rich_help_panel=_MODEL)]
Precision = Annotated[Literal["fp32", "bf16", "fp16"], typer.Option(help="Of its weights.", rich_help_panel=_MODEL)]
Backend = Annotated[Literal["torch", "openvino"], typer.Option(help="What computes.", rich_help_panel=_MODEL)]
TruncateDim = Annotated[int | None, typer.Option(min=1, help="Cut vectors to this length.", rich_help_panel=_MODEL)]
MaxLength = Annotated[int | None, typer.Option(min=1, help="Cut texts to so many tokens.", rich_help_panel=_MODEL)]
Device = Annotated[str | None, typer.Option(help="As in cpu, cuda or cuda:0,cuda:1.", rich_help_panel=_MODEL)]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code of its repository.", rich_help_panel=_MODEL)
]
Budget = Annotated[float | None, typer.Option(min=0, help="Most that an API may cost.", rich_help_panel=_MODEL)]

Shards = Annotated[
    int | None,
    typer.Option(min=1, help="Parts of each language; default: of 100,000 passages.", rich_help_panel=_LARGE),
]
Half = Annotated[bool, typer.Option("--half", help="Keep vectors in 16 bits.", rich_help_panel=_LARGE)]
AllowMissing = Annotated[
    bool,
    typer.Option("--allow-missing", help="Leave out judged passages that the corpus lacks.", rich_help_panel=_LARGE),
]
Engine = Annotated[Literal["here", "ray"], typer.Option(help="Who counts the parts.", rich_help_panel=_LARGE)]
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster; default: this machine.", rich_help_panel=_LARGE)]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Of Ray; default: one a processor or GPU.", rich_help_panel=_LARGE)
]
Gpus = Annotated[float, typer.Option(min=0, help="Of each worker of Ray.", rich_help_panel=_LARGE)]


def stream_options(
    load: Callable[[], Any],
    cache: Path | None,
    shards: int | None,
    half: bool,
    allow_missing: bool,
    engine: str,
    address: str | None,
    workers: int | None,
    gpus: float,
) -> How:
    """How a corpus is divided and counted; checkpoints are kept beside the vectors.

    :raises PanglotError: there is no Ray, or no cluster at the address.
    """
    from suite.cache import default_root
    from suite.streamed_run import How

    cluster = None
    if engine == "ray":
        from suite.cluster import Cluster

        cluster = Cluster(workers, address, gpus)
    return How((cache or default_root()) / "checkpoints", shards, half, allow_missing, cluster, load)


def open_cache(folder: Path | None, no_cache: bool) -> VectorCache | None:
    """The cache that was asked for: the user's own, another, or none."""
    from suite.cache import VectorCache, default_root

    return None if no_cache else VectorCache(folder or default_root())
