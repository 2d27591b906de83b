"""What mteb's metadata states about a model, as far as it is usable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from panglot.fields import Dimension, Line, Parameters, Tokens
from panglot.interop.field import UNKNOWN, Facts

_NUMBERS = {
    "parameters": ("n_parameters", TypeAdapter(Parameters)),
    "dimension": ("embed_dim", TypeAdapter(Dimension)),
    "max_length": ("max_tokens", TypeAdapter(Tokens)),
}
_LINE = TypeAdapter(Line)

NOT_STATED = "not specified"
"""What mteb writes for a licence that nobody states."""


def facts_of(meta: Mapping[str, Any]) -> Facts:
    """The facts in the metadata of a model; what is not stated, or is not valid, is unknown."""
    numbers = {name: _number(meta.get(key), kind) for name, (key, kind) in _NUMBERS.items()}
    licence = _line(meta.get("license"))
    weights = {"True": "open", "False": "closed"}.get(str(meta.get("open_weights")), "unknown")
    modalities = meta.get("modalities")
    listed = sorted(filter(None, map(_line, modalities))) if isinstance(modalities, list) else []
    return Facts(
        weights=weights,
        licence="unknown" if licence in ("", NOT_STATED) else licence,
        released=_line(meta.get("release_date"))[:10],
        similarity=_line(meta.get("similarity_fn_name") or meta.get("similarity")).lower().replace("max_sim", "maxsim"),
        modalities=", ".join(listed) or "text",
        link=_line(meta.get("reference")),
        **numbers,
    )


def training_of(meta: Mapping[str, Any], names: Collection[str]) -> str:
    """Whether a model was trained on data that mteb calls by one of the names, as in a submission's card.

    A model whose metadata lists nothing is `unknown`: for some, such as closed ones, mteb has an empty list.
    """
    listed = meta.get("training_datasets")
    if not isinstance(listed, list | dict) or not listed:
        return "unknown"
    return "trained" if set(names) & {name for name in listed if isinstance(name, str)} else "zero-shot"


def _number(value: Any, kind: TypeAdapter[int]) -> int:
    try:
        return kind.validate_python(value)  # text and whole floats too
    except ValidationError:
        return UNKNOWN


def _line(value: Any) -> str:
    try:
        return _LINE.validate_python(value, strict=True)
    except ValidationError:
        return ""
