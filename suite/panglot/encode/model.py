"""Models: the interfaces they implement, the facts recorded about them, and the function that loads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError

from panglot.arrays import Floats, Ints
from panglot.data.pool import Pool
from panglot.encode.budget import TokenBudget
from panglot.encode.registry import OPTIONS_OF, find_kind, import_loader, is_built_in
from panglot.errors import BadEncoder, BadResult, PanglotError, spelled
from panglot.fields import Dimension, Label, Line, Parameters, Text, Tokens
from panglot.progress import Progress
from panglot.retrieve.similarity import ScoreBlocks

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Role: TypeAlias = Literal["query", "passage"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
UNKNOWN = "unknown"
"""The revision of a model whose states cannot be told apart."""
Loader = TypeVar("Loader", bound=Callable[..., Any])

SPEED_ONLY = ("device", "batch_tokens", "budget", "texts_per_request")
"""Options that do not affect vectors beyond rounding."""


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
        """The revision and the changed settings, such as `1a2b+precision=bf16`."""
        return "+".join((self.revision, *self.settings))

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


@dataclass(frozen=True)
class Options:
    """Options for loading a model; None means the model's own configuration."""

    query_prompt: str | None = None
    passage_prompt: str | None = None
    precision: Precision = "fp32"
    backend: Literal["torch", "openvino"] = "torch"
    truncate_dim: Annotated[int, Field(ge=1)] | None = None
    max_length: Annotated[int, Field(ge=1)] | None = None
    device: str | None = None
    batch_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens in a batch, including padding; by default the fastest number is found while encoding."""
    trust_remote_code: bool = False
    budget: float | None = None
    """Maximum cost of API requests, in the currency of the price."""
    texts_per_request: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of texts per API request."""

    def settings(self) -> tuple[str, ...]:
        """Return the changed options that can affect vectors, such as `precision=bf16`."""
        moving = [field for field in fields(self) if field.name not in SPEED_ONLY]
        return tuple(
            f"{field.name}={getattr(self, field.name)}"
            for field in moving
            if getattr(self, field.name) != field.default
        )

    def changed(self) -> list[str]:
        """Return the command-line names of the options that differ from their default."""
        return [_typed(field.name) for field in fields(self) if getattr(self, field.name) != field.default]

    @classmethod
    def of(cls, settings: Sequence[str]) -> Options:
        """Parse the output of `settings()`; other options get their default.

        :raises BadResult: the settings cannot be parsed.
        """
        given = dict(setting.partition("=")[::2] for setting in settings)
        try:
            options = TypeAdapter(cls).validate_python(given)
        except ValueError as error:
            raise BadResult(f"The settings {', '.join(settings)} cannot be read as options.") from error
        if options.settings() != tuple(settings):
            raise BadResult(f"The settings {', '.join(settings)} cannot be read as options.")
        return options


OPTIONS = tuple(field.name for field in fields(Options))
"""Names of all options; `takes` declares the supported ones."""


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors; the only interface that a model must implement."""

    card: ModelCard

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Encode one batch of texts; returns vectors [texts, dimension] in the same order."""


@runtime_checkable
class CountsTokens(Protocol):
    """An encoder that can count tokens: batches are sized by tokens, and truncation is reported."""

    card: ModelCard

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Count the tokens of each text including its prompt, before truncation, [texts]."""


@runtime_checkable
class CutsByRole(Protocol):
    """An encoder that can truncate queries and passages at different lengths, such as a router with two models."""

    def cut_at(self, role: Role) -> int | None:
        """Return the maximum number of tokens for texts in this role, or None if they are not truncated."""


@runtime_checkable
class HasBudget(Protocol):
    """An encoder that knows its device: where the search for the size of its batches starts, or what it is fixed to."""

    budget: TokenBudget


@runtime_checkable
class EncodesConcurrently(Protocol):
    """An encoder whose `encode` and `encode_images` can run in several threads at once."""

    lanes: int
    """Number of batches that keep it busy: one is prepared while another is computed, on each device."""


@runtime_checkable
class SeesImages(Protocol):
    """An encoder that embeds images in the same space as texts."""

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Encode one batch of decoded RGB images of any size; returns vectors [images, dimension]."""


@runtime_checkable
class IgnoresContent(Protocol):
    """A scorer that uses only ids and languages, and so works for texts and images alike."""

    ignores_content: Literal[True]


@runtime_checkable
class Scorer(Protocol):
    """A model that scores a whole pool by itself: lexical search, precomputed vectors, baselines."""

    card: ModelCard

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """Return the scores of every query in the pool against every candidate."""


class PairScorer(Protocol):
    """Scores how well a passage answers a query, reading both together, in batches of `batch` pairs."""

    card: ModelCard
    batch: int

    def score(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Score pairs of a query and a passage, [pairs]; higher is better."""


ScorePairs: TypeAlias = Callable[[PairScorer, Pool, Ints, Ints], Floats]
"""Scores pairs of a query and a candidate of a pool, given by index, [pairs]; scores are cached."""


@runtime_checkable
class Composite(Protocol):
    """A model made of other models, whose scores are fused."""

    card: ModelCard
    members: Sequence[Model]

    def fuse(self, scores: Sequence[ScoreBlocks], pool: Pool, score_pairs: ScorePairs) -> ScoreBlocks:
        """Fuse the scores of the members, given in their order, into one score per query and candidate."""


@runtime_checkable
class Reranks(Composite, Protocol):
    """A composite with one member, the first stage, whose `depth` best candidates a pair scorer reorders."""

    depth: int
    pair_scorer: PairScorer


Model: TypeAlias = Encoder | Scorer | Composite


def cut_at(model: Model, role: Role) -> int | None:
    """Return the maximum number of tokens for texts in a role, or None if the model does not truncate."""
    return model.cut_at(role) if isinstance(model, CutsByRole) else model.card.max_length


def sees_images(model: Model) -> bool:
    """Whether a model can score pools that contain images."""
    if isinstance(model, Composite):
        return not isinstance(model, Reranks) and all(map(sees_images, model.members))
    return isinstance(model, SeesImages | IgnoresContent)


def find_unpinned(model: Model) -> list[ModelCard]:
    """Return the unpinned cards of a model and its members, whose vectors or scores other runs cannot reuse."""
    if isinstance(model, Composite):
        cards = [card for member in model.members for card in find_unpinned(member)]
        own = [model.pair_scorer.card] if isinstance(model, Reranks) else []
        return [*cards, *(card for card in own if not card.pinned)]
    return [] if model.card.pinned or not isinstance(model, Encoder) else [model.card]


def load_model(name: str, options: Options = Options()) -> Model:
    """Load the model with this name; only the libraries that it needs are imported.

    All kinds of models, built-in or from packages, are loaded here. Unsupported options are rejected before anything is
    loaded; options that affect vectors are recorded in the card, which is the cache key.

    :raises UnknownName: no kind of model matches the name.
    :raises BadEncoder: the kind does not support an option, or the model does not exist or cannot be loaded.
    :raises MissingExtra: the kind needs a library that is not installed.
    """
    kind, argument = find_kind(name)
    known = [_typed(option) for option in kind.options]
    for option in options.changed():
        if option not in known:
            raise BadEncoder(f"{name} does not support {option}. It supports {', '.join(known) or 'no options'}.")
    load = import_loader(kind)
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
    if is_built_in(kind) and options.precision == "bf16" and model.card.precision == "fp32":
        options = replace(options, precision="fp32")  # the precision used: see panglot.encode.checkpoints.precision
    return _with_settings(name, model, options)


def _first_fault(error: ValidationError) -> str:
    """Describe the first invalid field of a card in one sentence."""
    first = error.errors(include_context=False, include_url=False)[0]
    field = ".".join(map(str, (error.title, *first["loc"])))
    return f"{field} is {first['input']!a:.80}: {first['msg'].removeprefix('Value error, ')}."


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


def _typed(option: str) -> str:
    """Return the command-line name of an option."""
    return f"--{option.replace('_', '-')}"


def _with_settings(name: str, model: Any, options: Options) -> Model:
    """Return the model with the requested options recorded in its card.

    :raises BadEncoder: the object is not a model, or its card cannot be updated.
    """
    card = getattr(model, "card", None)
    if not isinstance(card, ModelCard) or not isinstance(model, Encoder | Scorer | Composite):
        raise BadEncoder(
            f"{name}: the loaded object of type {type(model).__name__} is not a model. Expected an object with card, a "
            "panglot.encode.model.ModelCard, and encode(texts, role) or scores(pool, progress)."
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
