"""Models: what they must be able to do, what is recorded of them, and the one door through which they come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError

from panglot.arrays import Floats, Ints
from panglot.data.pool import Pool
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
"""The revision of a model of which nothing tells two states apart."""
Loader = TypeVar("Loader", bound=Callable[..., Any])

API_ONLY = ("budget", "texts_per_request")
"""Options that only an API has; they move no vector."""


class ModelCard(BaseModel):
    """Facts about a model, as they stand in every result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Label
    """As the person named it, or `org/name` for a model of the Hub."""
    revision: Label
    """What tells two states of the model apart: a commit, a version, or a hash of its files."""
    library: Line
    """The package that computes the vectors, with its version."""
    similarity: Literal["cosine", "dot", "lexical", "late interaction", "none"] = "cosine"
    dimension: Dimension | None = None
    parameters: Parameters | None = None
    max_length: Tokens | None = None
    """Tokens after which texts are cut."""
    prompts: dict[Role, Text] = {}
    """What is put before each text, verbatim."""
    precision: Precision = "fp32"
    backend: Line = ""
    """What computes: `torch`, `openvino`, an address; with the pooling that was chosen and tokens that were added."""
    trust_remote_code: bool = False
    """Whether code from the model's own repository ran."""
    settings: tuple[Text, ...] = ()
    """What the person changed of the model's own configuration, as `precision=bf16`; it is then another model."""
    licence: Label = "unknown"
    note: Text = ""
    _pinned: bool = PrivateAttr(default=True)

    @property
    def state(self) -> str:
        """The revision and what was changed of the configuration, as `1a2b+precision=bf16`."""
        return "+".join((self.revision, *self.settings))

    @property
    def label(self) -> str:
        """The model in one state, as `org/name@1a2b+precision=bf16`; another state is another model."""
        return f"{self.name}@{self.state}"

    @property
    def pinned(self) -> bool:
        """Whether the revision changes with all that the model reads; if not, no vector is reused by another run."""
        return self._pinned and self.revision != UNKNOWN

    def unpinned(self) -> ModelCard:
        """The same card of a model that reads more than its revision covers."""
        card = self.model_copy()
        card._pinned = False
        return card


@dataclass(frozen=True)
class Options:
    """What a person may ask of a model beside its name; `None` leaves it to the model's own configuration."""

    query_prompt: str | None = None
    passage_prompt: str | None = None
    precision: Precision = "fp32"
    backend: Literal["torch", "openvino"] = "torch"
    truncate_dim: Annotated[int, Field(ge=1)] | None = None
    max_length: Annotated[int, Field(ge=1)] | None = None
    device: str | None = None
    trust_remote_code: bool = False
    budget: float | None = None
    """Most that an API may cost, in the currency of its prices."""
    texts_per_request: Annotated[int, Field(ge=1)] | None = None
    """Most texts in one request to an API."""

    def settings(self) -> tuple[str, ...]:
        """The changed options that can move a vector, as `precision=bf16`."""
        moving = [field for field in fields(self) if field.name not in ("device", *API_ONLY)]
        return tuple(
            f"{field.name}={getattr(self, field.name)}"
            for field in moving
            if getattr(self, field.name) != field.default
        )

    def changed(self) -> list[str]:
        """Names of the options that are not at their default, as they are typed."""
        return [_typed(field.name) for field in fields(self) if getattr(self, field.name) != field.default]

    @classmethod
    def of(cls, settings: Sequence[str]) -> Options:
        """The options whose `settings()` these are; the rest is at its default.

        :raises BadResult: nothing writes such settings.
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
"""Their names; `takes` declares some of them."""


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors. This is all that a model must do to be scored."""

    card: ModelCard

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, dimension], in the order of the texts; one batch, as large as the suite makes it."""


@runtime_checkable
class CountsTokens(Protocol):
    """An encoder that knows its tokenizer: its batches are made by tokens, and truncation is reported."""

    card: ModelCard

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Tokens of each text with its prompt, before truncation, [texts]."""


@runtime_checkable
class CutsByRole(Protocol):
    """An encoder that may cut queries elsewhere than passages, as a router with a model for each does."""

    def cut_at(self, role: Role) -> int | None:
        """Tokens after which texts of this role are cut, if they are."""


@runtime_checkable
class SeesImages(Protocol):
    """An encoder that puts images into the space of its texts."""

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors [images, dimension] of decoded images, RGB, in their own size; one batch."""


@runtime_checkable
class IgnoresContent(Protocol):
    """A scorer that looks at ids and languages only, so that texts and images are one to it."""

    ignores_content: Literal[True]


@runtime_checkable
class Scorer(Protocol):
    """A model that scores a whole pool by itself: lexical search, vectors made elsewhere, floors."""

    card: ModelCard

    def scores(self, pool: Pool, progress: Progress) -> ScoreBlocks:
        """The scores of every query of the pool against every candidate."""


@runtime_checkable
class Composite(Protocol):
    """A model made of others: each scores the pool in its own way, then their scores are fused."""

    card: ModelCard
    members: Sequence[Model]

    def fuse(self, scores: Sequence[ScoreBlocks]) -> ScoreBlocks:
        """One score of every query against every candidate from those of the members, in their order."""


Model: TypeAlias = Encoder | Scorer | Composite


def cut_at(model: Model, role: Role) -> int | None:
    """Tokens after which a model cuts texts of a role, if it does."""
    return model.cut_at(role) if isinstance(model, CutsByRole) else model.card.max_length


def sees_images(model: Model) -> bool:
    """Whether a model can score pools that hold images."""
    if isinstance(model, Composite):
        return all(map(sees_images, model.members))
    return isinstance(model, SeesImages | IgnoresContent)


def find_unpinned(model: Model) -> list[ModelCard]:
    """The cards of a model and its members whose vectors no other run reuses."""
    if isinstance(model, Composite):
        return [card for member in model.members for card in find_unpinned(member)]
    return [] if model.card.pinned or not isinstance(model, Encoder) else [model.card]


def load_model(name: str, options: Options = Options()) -> Model:
    """The model that a string names; imports only what this one needs.

    Every kind, the suite's own or a package's, comes through here: an option that it does not take is refused before
    anything is loaded, and those that move vectors are written into the card, by which vectors are cached.

    :raises UnknownName: the string names no kind of model.
    :raises BadEncoder: an option that this kind of model does not take.
    :raises MissingExtra: the kind needs a library that is not installed.
    :raises BadEncoder: the model is not there or cannot be loaded.
    """
    kind, argument = find_kind(name)
    known = [_typed(option) for option in kind.options]
    for option in options.changed():
        if option not in known:
            raise BadEncoder(f"{name} takes no {option}. It takes {', '.join(known) or 'no options'}.")
    load = import_loader(kind)
    try:
        model = load(argument, options)
    except PanglotError:
        raise
    except ValidationError as error:
        raise BadEncoder(f"{name} cannot be recorded. {_first_fault(error)}") from error
    except Exception as error:
        if is_built_in(kind):
            raise
        raise BadEncoder(f"{name} cannot be loaded. {spelled(error)}") from error
    if is_built_in(kind) and options.precision == "bf16" and model.card.precision == "fp32":
        options = replace(options, precision="fp32")  # what was computed: see panglot.encode.checkpoints.precision
    return _with_settings(name, model, options)


def _first_fault(error: ValidationError) -> str:
    """What a model says of itself and no card can hold, in a sentence."""
    first = error.errors(include_context=False, include_url=False)[0]
    field = ".".join(map(str, (error.title, *first["loc"])))
    return f"{field} is {first['input']!a:.80}: {first['msg'].removeprefix('Value error, ')}."


def takes(*options: str) -> Callable[[Loader], Loader]:
    """Declare which options a package's `load(name, options)` follows; all others are refused.

    :raises BadEncoder: there is no such option.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise BadEncoder(f"@takes names the option '{unknown[0]}'. There are {', '.join(OPTIONS)}.")

    def declare(load: Loader) -> Loader:
        setattr(load, OPTIONS_OF, options)
        return load

    return declare


def _typed(option: str) -> str:
    """An option as it is typed."""
    return f"--{option.replace('_', '-')}"


def _with_settings(name: str, model: Any, options: Options) -> Model:
    """The model, its card completed with the options that were asked for.

    :raises BadEncoder: it is no model, or its card cannot be completed.
    """
    card = getattr(model, "card", None)
    if not isinstance(card, ModelCard) or not isinstance(model, Encoder | Scorer | Composite):
        raise BadEncoder(
            f"{name}: what was loaded, of the type {type(model).__name__}, is not a model. Expected an object with "
            "card, a panglot.encode.model.ModelCard, and encode(texts, role) or scores(pool, progress)."
        )
    foreign = [setting for setting in card.settings if setting.partition("=")[0] not in OPTIONS]
    if foreign:
        raise BadEncoder(
            f"{name}: its card has the setting '{foreign[0]}', which is not an option of Panglot. Panglot fills in the "
            "settings; put what else changes vectors into the card's revision."
        )
    if card.settings != options.settings():
        try:
            model.card = card.model_copy(update={"settings": options.settings()})
        except AttributeError as error:
            raise BadEncoder(f"{name}: its card cannot be replaced. Make `card` a plain attribute.") from error
    found: Model = model
    return found
