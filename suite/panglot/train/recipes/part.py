"""The base class of a recipe's tables, and types of their settings."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

# Strict, so that `true` is not taken for 1.
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, strict=True)]
Count: TypeAlias = Annotated[int, Field(ge=0, strict=True)]
Positive: TypeAlias = Annotated[int, Field(ge=1, strict=True)]


class Part(BaseModel):
    """A table of the recipe: immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
