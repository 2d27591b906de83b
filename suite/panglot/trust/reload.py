"""Which model a rerun loads: what a result names only where that can do no harm, everything else if a person types it.

A result is a stranger's file. A name in it could run a module of the working folder, read a path, or have an API key
sent to a host of the stranger's choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from panglot.encode.card import ModelCard
from panglot.encode.load import load_model
from panglot.encode.model import Model
from panglot.encode.options import Options
from panglot.encode.registry import EMBEDDED
from panglot.errors import BadEncoder, BadResult
from panglot.trust.hub_copy import harmless_copy

_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
_HUB = re.compile(rf"(?P<repository>{_PART}/{_PART})(?P<pooling>\?pooling=(?:mean|cls|last|max|own))?", re.ASCII)
"""What the cards of `st:`, `hf:`, `late:` and `model2vec:` call a model of the Hub; it may be a local path as well."""

_COMMIT = re.compile("[0-9a-f]{40}")
_FUSED = "rrf:"


class Wanted(NamedTuple):
    """A model to load, by `name` as `load_model` takes it.

    One of the Hub has a `repository` and a `commit`, and `{}` in its name for the folder where its files are.
    """

    name: str
    options: Options
    repository: str = ""
    commit: str = ""

    def __str__(self) -> str:
        name = f"{self.name.format(self.repository)} from the Hub, commit {self.commit}" if self.commit else self.name
        return ", ".join([name, *self.options.settings()])


def choose(card: ModelCard, typed: str = "", trust_remote_code: bool = False) -> Wanted:
    """Choose what to load for a result with this card, with the options of the card's settings.

    :param typed: the name that the person at the keyboard gave, empty if none; only such a name may run code, read
        files or contact a host
    :param trust_remote_code: whether that person allows code of the repository to run
    :raises BadResult: the result names what only a person may have loaded, was scored from debiased vectors, or has
        settings that no options write.
    """
    if any(setting.startswith("debias=") for setting in card.settings):
        raise BadResult(
            f"{card.label} was scored from debiased vectors. A sample cannot repeat what was learned from all of them: "
            "repeat the whole run with the same --debias and --debias-fit."
        )
    options = Options.of(card.settings)
    if (options.trust_remote_code or card.trust_remote_code) and not (typed and trust_remote_code):
        raise BadResult(
            f"{card.name} ran code from its own repository. Read that code; if you trust it, add --model NAME and "
            "--trust-remote-code."
        )
    options = replace(options, trust_remote_code=trust_remote_code)
    if typed:
        return Wanted(typed, options)
    fused = card.name.startswith(_FUSED) and card.name.removeprefix(_FUSED).split("+")
    if card.name in EMBEDDED or (fused and EMBEDDED.issuperset(fused)):
        return Wanted(card.name, options)
    found = _HUB.fullmatch(card.name)
    if found and _COMMIT.fullmatch(card.revision) and not re.search(r"\.\.|--|\.git$", found["repository"]):
        return Wanted(_on_the_hub(card, found["pooling"]), options, found["repository"], card.revision)
    raise BadResult(
        f"{card.name} is neither built in nor a model of the Hub at a stated commit. Loading it could run code, read "
        "files or contact a host. If you trust it, pass its name with --model."
    )


def _on_the_hub(card: ModelCard, pooling: str | None) -> str:
    """The name of a model of the Hub by its kind, which its card shows, with `{}` for where it is."""
    if pooling:
        return f"hf:{{}}{pooling}{'&normalise=false' if card.similarity == 'dot' else ''}"
    if card.library.startswith("model2vec "):
        return "model2vec:{}"
    return "late:{}" if card.similarity == "late interaction" else "st:{}"


@contextmanager
def loaded(wanted: Wanted) -> Iterator[Model]:
    """Load a model; its files are removed afterwards if they were copied from the Hub.

    :raises PanglotError: it cannot be loaded, or not without doing what only a person may ask for.
    """
    if not wanted.commit:
        yield load_model(wanted.name, wanted.options)
        return
    with harmless_copy(wanted.repository, wanted.commit) as folder:
        try:
            model = load_model(wanted.name.format(folder), wanted.options)
        except BadEncoder as error:
            raise BadEncoder(
                f"{wanted.repository}, loaded as {wanted.name.format(wanted.repository)}: {error} A result does not "
                "state the kind of its model. If this is the wrong one, as for a learned sparse model, name the right "
                f"one: --model sparse:{wanted.repository}"
            ) from error
        model.card = model.card.model_copy(update={"revision": wanted.commit})
        yield model
