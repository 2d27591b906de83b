"""Options for loading a model, and which of them a kind of models supports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter

from panglot.encode.card import Precision
from panglot.encode.registry import OPTIONS_OF
from panglot.errors import BadEncoder, BadResult
from panglot.fields import Tokens

Loader = TypeVar("Loader", bound=Callable[..., Any])
SPEED_ONLY = ("device", "batch_tokens", "budget", "texts_per_request")
"""Options that do not affect vectors beyond rounding."""


@dataclass(frozen=True)
class Options:
    """Options for loading a model; None means the model's own configuration."""

    query_prompt: str | None = None
    passage_prompt: str | None = None
    precision: Precision | None = None
    """By default that of the checkpoint on a GPU, and fp32 elsewhere."""
    backend: Literal["torch", "openvino"] = "torch"
    truncate_dim: Annotated[int, Field(ge=1)] | None = None
    max_length: Annotated[int, Field(ge=1)] | None = None
    device: str | None = None
    batch_tokens: Tokens | None = None
    """Tokens in a batch, including padding; by default the fastest number is found while encoding."""
    trust_remote_code: bool = False
    budget: float | None = None
    """Maximum cost of API requests, in the currency of the price."""
    texts_per_request: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of texts per API request."""

    def settings(self) -> tuple[str, ...]:
        """Return the changed options that can affect vectors, such as `precision=bf16`."""
        return tuple(f"{name}={getattr(self, name)}" for name in self._chosen() if name not in SPEED_ONLY)

    def changed(self) -> list[str]:
        """Return the command-line names of the options that differ from what every model does without them."""
        return [flag(name) for name in self._chosen()]

    def _chosen(self) -> list[str]:
        """Return the options that differ from their default; fp32 counts as one, since any model computes in it."""
        differing = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        return [name for name in differing if (name, getattr(self, name)) != ("precision", "fp32")]

    @classmethod
    def of(cls, settings: Sequence[str]) -> Options:
        """Parse the output of `settings()`; other options get their default, and the precision fp32 on any device.

        :raises BadResult: the settings cannot be parsed.
        """
        given = {"precision": "fp32"} | dict(setting.partition("=")[::2] for setting in settings)
        try:
            options = TypeAdapter(cls).validate_python(given)
        except ValueError as error:
            raise BadResult(f"The settings {', '.join(settings)} cannot be read as options.") from error
        if options.settings() != tuple(settings):
            raise BadResult(f"The settings {', '.join(settings)} cannot be read as options.")
        return options


OPTIONS = tuple(field.name for field in fields(Options))
"""Names of all options; `takes` declares the supported ones."""


def takes(*options: str) -> Callable[[Loader], Loader]:
    """Declare which options a package's `load(name, options)` supports; all others are rejected.

    :raises BadEncoder: an option does not exist.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise BadEncoder(f"@takes names the unknown option '{unknown[0]}'. Known: {', '.join(OPTIONS)}.")

    def declare(load: Loader) -> Loader:
        setattr(load, OPTIONS_OF, options)
        return load

    return declare


def flag(option: str) -> str:
    """Return the command-line name of an option."""
    return f"--{option.replace('_', '-')}"
