"""`panglot debias`: export a model with language information removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panglot.cli.options import (
    Cache,
    Device,
    ModelName,
    NoCache,
    PassagePrompt,
    QueryPrompt,
    TrustRemoteCode,
)
from panglot.cli.output import AsJson, open_console, print_json
from panglot.files import check_writable


def debias(
    model: ModelName,
    method: Annotated[str, typer.Option(metavar="METHOD", help="project:R, centre, lir:R or shift:LANG.")],
    fit: Annotated[Path, typer.Option(metavar="FILE", help="Texts with language labels to fit the method on.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Output folder for the model or arrays.")],
    cache: Cache = None,
    no_cache: NoCache = False,
    query_prompt: QueryPrompt = None,
    passage_prompt: PassagePrompt = None,
    device: Device = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: AsJson = False,
) -> None:
    """Export a model with language information removed from its vectors.

    For a sentence-transformers model, project:R writes a folder that the library can load. Other combinations write
    an .npz file and the numpy code to apply it.

    Example: panglot debias MODEL --method project:2 --fit texts.jsonl --out debiased
    """
    from panglot.remedies.debias import parse_method
    from panglot.remedies.fit_texts import FitTexts

    parsed, texts = parse_method(method), FitTexts.read(fit)
    check_writable(out, "--out")

    from panglot.cli.view.remedies import learned_view
    from panglot.cli.view.terminal import progress_bar
    from panglot.encode.cache import open_cache
    from panglot.encode.load import load_model
    from panglot.encode.options import Options
    from panglot.remedies.production import check_empty, learn, write

    check_empty(out)
    options = Options(
        query_prompt=query_prompt, passage_prompt=passage_prompt, device=device, trust_remote_code=trust_remote_code
    )
    loaded = load_model(model, options)
    learned = learn(loaded, parsed, texts, open_cache(cache, no_cache), progress_bar)
    files = write(loaded, learned, out)
    if as_json:
        print_json({"folder": str(out), "files": files, "method": method, "between": learned.between})
    else:
        open_console().print(learned_view(learned, out, files))
