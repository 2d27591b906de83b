"""The options that say what is done to vectors before they are scored, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from panglot.cli.names import split
from panglot.errors import PanglotError

if TYPE_CHECKING:
    from panglot.remedies.debiased import Debias

Dims = Annotated[str, typer.Option(metavar="N,M", help="Also score vectors truncated to N, M dimensions.")]
Quantise = Annotated[str, typer.Option(metavar="A,B", help="Also score quantised vectors: int8, binary.")]
DebiasMethod = Annotated[str, typer.Option(metavar="METHOD", help="Debias: centre, project:R, lir:R or shift:LANG.")]
DebiasFit = Annotated[str, typer.Option(metavar="FILE", help="Texts to fit --debias on.")]
DebiasLanguage = Annotated[
    Literal["data", "detect"],
    typer.Option(metavar="data|detect", help="Query languages of --debias."),
]


def read_debias(method: str, fit: str, language: str) -> Debias | None:
    """Read the --debias options; None if there is no method.

    :raises PanglotError: an option lacks its method, or as for `Debias.parse`.
    """
    if not method:
        if (fit, language) != ("corpus", "data"):
            raise PanglotError("--debias-fit and --debias-language need --debias METHOD.")
        return None
    from panglot.remedies.debiased import Debias

    return Debias.parse(method, fit, language == "detect")


def read_curve(dims: str, quantise: str) -> list[tuple[int, str]]:
    """Read --dims and --quantise as (dimension, form) pairs.

    :raises PanglotError: a dimension is not a positive whole number, there is no such form, or there are too many.
    """
    if not dims and not quantise:
        return []
    from panglot.evaluate.measure import curve_points

    if not all(dim.isascii() and dim.isdigit() and int(dim) for dim in split(dims)):
        raise PanglotError(f"--dims takes comma-separated integers such as 64,128, not '{dims}'.")
    return curve_points([int(dim) for dim in split(dims)], split(quantise))
