"""Load a model by its name, with the options that its kind supports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from panglot.encode.card import ModelCard
from panglot.encode.model import Composite, Encoder, Model, Scorer
from panglot.encode.options import OPTIONS, Options, flag
from panglot.encode.registry import find_kind, import_loader, is_built_in
from panglot.errors import BadEncoder, PanglotError, in_our_words, spelled


def load_model(name: str, options: Options = Options()) -> Model:
    """Load the model with this name; only the libraries that it needs are imported.

    All kinds of models, built-in or from packages, are loaded here. Unsupported options are rejected before anything is
    loaded; options that affect vectors are recorded in the card, which is the cache key.

    :raises UnknownName: no kind of model matches the name.
    :raises BadEncoder: the kind does not support an option, or the model does not exist or cannot be loaded.
    :raises MissingExtra: the kind needs a library that is not installed.
    """
    kind, argument = find_kind(name)
    known = [flag(option) for option in kind.options]
    for option in options.changed():
        if option not in known:
            raise BadEncoder(f"{name} does not support {option}. It supports {', '.join(known) or 'no options'}.")
    load = import_loader(kind)
    if not is_built_in(kind):  # packages need not know what a checkpoint is
        options = replace(options, precision=options.precision or "fp32")
    try:
        model = load(argument, options)
    except PanglotError:
        raise
    except ValidationError as error:
        raise BadEncoder(f"{name} has an invalid model card. {_first_fault(error)}") from error
    except Exception as error:
        if is_built_in(kind):
            raise
        raise BadEncoder(f"{name} cannot be loaded. {spelled(error)}") from error
    if is_built_in(kind) and "precision" in kind.options:
        options = replace(options, precision=model.card.precision)  # used, and perhaps not the requested one
    return _with_settings(name, model, options)


def _first_fault(error: ValidationError) -> str:
    """Describe the first invalid field of a card in one sentence."""
    first = error.errors(include_context=False, include_url=False)[0]
    field = ".".join(map(str, (error.title, *first["loc"])))
    return f"{field} is {first['input']!a:.80}: {in_our_words(first['msg'])}."


def _with_settings(name: str, model: Any, options: Options) -> Model:
    """Return the model with the requested options recorded in its card.

    :raises BadEncoder: the object is not a model, or its card cannot be updated.
    """
    card = getattr(model, "card", None)
    if not isinstance(card, ModelCard) or not isinstance(model, Encoder | Scorer | Composite):
        raise BadEncoder(
            f"{name}: the loaded object of type {type(model).__name__} is not a model. Expected an object with card, a "
            "panglot.encode.card.ModelCard, and encode(texts, role) or scores(pool, progress)."
        )
    foreign = [setting for setting in card.settings if setting.partition("=")[0] not in OPTIONS]
    if foreign:
        raise BadEncoder(
            f"{name}: its card has the setting '{foreign[0]}', which is not an option of Panglot. Leave `settings` to "
            "Panglot, and include anything else that changes vectors in the card's revision."
        )
    if card.settings != options.settings():
        try:
            model.card = card.model_copy(update={"settings": options.settings()})
        except AttributeError as error:
            raise BadEncoder(f"{name}: its card cannot be assigned. Make `card` a plain attribute.") from error
    found: Model = model
    return found
