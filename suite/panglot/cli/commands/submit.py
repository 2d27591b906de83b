"""`panglot submit`: make a submission of results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from panglot.cli.names import DataDir
from panglot.cli.output import AsJson, open_console, print_json
from panglot.files import check_writable
from panglot.plain import plain

if TYPE_CHECKING:
    from panglot.encode.card import ModelCard
    from panglot.trust.verify import Verdict

STATES = "trained, parent (on the data that the task was made from), zero-shot (declared) or unknown"

NEXT = """
Next: upload the zip on the leaderboard's Submit page, or unpack it into submissions/ of a fork and open a pull request.
What the page does with it: panglot receive {zip} --into submissions"""


def submit(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with the results of one model.")],
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Display name on the leaderboard.")] = None,
    organisation: Annotated[str | None, typer.Option(metavar="TEXT", help="Who made the model.")] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="NAME", help="Licence of the weights, such as Apache-2.0.")
    ] = None,
    parameters: Annotated[str, typer.Option(metavar="N", help="Number of parameters, e.g. 600M or 1.5B.")] = "",
    weights: Annotated[
        Literal["open", "closed"] | None, typer.Option(metavar="open|closed", help="Whether the weights are open.")
    ] = None,
    languages: Annotated[str, typer.Option(metavar="en,de", help="Languages the model was made for.")] = "",
    link: Annotated[str | None, typer.Option(metavar="URL", help="Page about the model (https).")] = None,
    contact: Annotated[str | None, typer.Option(metavar="TEXT", help="How to reach you (optional).")] = None,
    training: Annotated[list[str] | None, typer.Option(metavar="TASK=STATE", help=f"{STATES}.")] = None,
    card_from_hub: Annotated[
        bool, typer.Option("--card-from-hub", help="Fill in the rest from the Hub (network).")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Zip file to write (default: FOLDER.zip here).")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Verify results, write card.json beside them, and pack everything into a zip.

    Exit code 1 if a check fails.

    Example: panglot submit submissions/bm25@0.3.16 --licence MIT
    """
    from tempfile import TemporaryDirectory

    from rich.text import Text

    from panglot.cli.names import split
    from panglot.cli.view.verdict import show_verdict, verdict_json
    from panglot.data.image import IMAGES
    from panglot.interop.shortlist import parse_parameters
    from panglot.results.result_record import find_results
    from panglot.trust.intake import take_in
    from panglot.trust.submission import CARD, card_of, pack, write_card

    list(find_results([folder]))  # a folder without results is a mistake of the person's, not a failed submission
    target = out or Path(f"{folder.resolve().name}.zip")
    check_writable(target.absolute().parent, "--out")
    console = open_console(aside=as_json)
    verdicts = _verify_results(folder)
    for verdict in verdicts:
        show_verdict(console, verdict)
    if any(verdict.level == "failed" for verdict in verdicts):
        raise typer.Exit(1)
    results = [verdict.result for verdict in verdicts if verdict.result]
    seen = ("text", "image") if any(IMAGES in result.task.languages for result in results) else None
    stated: dict[str, object] = {
        "modalities": seen,
        "name": name,
        "organisation": organisation,
        "licence": licence,
        "parameters": parse_parameters(parameters) if parameters else None,
        "weights": weights,
        "languages": tuple(split(languages)) or None,
        "link": link,
        "contact": contact,
        "training": _training(training or []),
    }
    known = {key: value for key, value in stated.items() if value is not None}
    if card_from_hub:
        known = _from_hub(results[0].model) | known
    card = card_of(results[0].model, sorted({result.task.name for result in results}), known)
    write_card(folder, card)
    pack(folder, target)
    with TemporaryDirectory() as board:  # what the leaderboard's page does with it
        received, found = take_in(target, Path(board))
    if received is None:
        for verdict in (verdict for verdict in found if verdict.level == "failed"):
            show_verdict(console, verdict)
        raise typer.Exit(1)
    if as_json:
        made = {"zip": str(target), "card": card.model_dump(mode="json")}
        print_json(made | {"verdicts": [verdict_json(verdict) for verdict in verdicts]})
        return
    console.print(plain(str(folder / CARD)), soft_wrap=True)
    console.print(Text(plain(str(target))).append(f"  {target.stat().st_size / 1e6:.1f} MB", "dim"), soft_wrap=True)
    console.print(Text(NEXT.format(zip=plain(str(target)))), soft_wrap=True)


def _verify_results(folder: Path) -> tuple[Verdict, ...]:
    """Verify all but the card, which is about to be written anew; it stays where something does not hold."""
    from panglot.trust.submission import CARD
    from panglot.trust.verify_folder import verify_folder

    card = folder / CARD
    before = card.read_bytes() if card.is_file() else None
    card.unlink(missing_ok=True)
    try:
        return verify_folder(folder)
    finally:
        if before is not None:
            card.write_bytes(before)


def _training(stated: list[str]) -> dict[str, str]:
    from panglot.cli.names import find_task
    from panglot.errors import PanglotError

    pairs = [item.partition("=") for item in stated]
    if not all(separator and state for _, separator, state in pairs):
        raise PanglotError(f"--training takes TASK=STATE, as in xquad-r=zero-shot; a state is {STATES}.")
    return {find_task(task).name: state for task, _, state in pairs}


def _from_hub(model: ModelCard) -> dict[str, object]:
    """What the model's card on the Hub says; uses the network.

    :raises PanglotError: the Hub cannot be reached or has no such model.
    """
    from panglot.errors import PanglotError, require

    require("huggingface_hub", "st", "--card-from-hub")
    import huggingface_hub

    try:
        data = huggingface_hub.ModelCard.load(model.name).data
    except Exception as error:
        raise PanglotError(
            f"The Hub has no card for {model.name} ({type(error).__name__}). Drop --card-from-hub and use --licence "
            "and the other options instead."
        ) from error
    languages = [data.language] if isinstance(data.language, str) else list(data.language or [])
    found = {"licence": data.license, "languages": tuple(languages), "link": f"https://huggingface.co/{model.name}"}
    return {key: value for key, value in found.items() if value} | {"weights": "open"}
