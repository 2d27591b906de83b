"""The facts recorded about a model: its card is stored with every result."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from panglot.fields import Dimension, Label, Line, Parameters, Text, Tokens
from panglot.plain import plain

Role: TypeAlias = Literal["query", "passage"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
UNKNOWN = "unknown"
"""The revision of a model whose states cannot be told apart."""


class ModelCard(BaseModel):
    """Facts about a model, stored with every result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Label
    """The name given by the user, or `org/name` for a model on the Hub."""
    revision: Label
    """Identifies the state of the model: a commit, a version, or a hash of its files."""
    library: Line
    """The package that computes the vectors, with its version."""
    similarity: Literal["cosine", "dot", "lexical", "late interaction", "none"] = "cosine"
    dimension: Dimension | None = None
    parameters: Parameters | None = None
    max_length: Tokens | None = None
    """Maximum number of tokens; longer texts are truncated."""
    prompts: dict[Role, Text] = {}
    """The prompt prepended to each text, verbatim."""
    precision: Precision = "fp32"
    backend: Line = ""
    """Inference backend: `torch`, `openvino` or a URL; plus the chosen pooling and added tokens, if any."""
    trust_remote_code: bool = False
    """Whether code from the model's own repository was run."""
    settings: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    """Changes to the model's own configuration, such as `precision=bf16`; a changed model counts as another model."""
    licence: Label = "unknown"
    note: Text = ""
    _pinned: bool = PrivateAttr(default=True)

    @property
    def state(self) -> str:
        """The revision and the changed settings, such as `1a2b+precision=bf16`; one line, whatever a prompt holds."""
        return plain("+".join((self.revision, *self.settings)))

    @property
    def label(self) -> str:
        """The model in one state, such as `org/name@1a2b+precision=bf16`; another state counts as another model."""
        return f"{self.name}@{self.state}"

    @property
    def pinned(self) -> bool:
        """Whether the revision covers everything that the model reads; if not, other runs do not reuse its vectors."""
        return self._pinned and self.revision != UNKNOWN

    def unpinned(self) -> ModelCard:
        """Return the card marked as unpinned, for a model that reads more than its revision covers."""
        card = self.model_copy()
        card._pinned = False
        return card
