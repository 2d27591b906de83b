"""Models: what they must be able to do, what is recorded of them, and the one door through which they come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from pydantic import BaseModel, ConfigDict

from suite.arrays import Floats, Ints
from suite.errors import BadEncoder, UnknownName
from suite.pool import Pool
from suite.progress import Progress
from suite.scores import Scores

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Role: TypeAlias = Literal["query", "passage"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]


class ModelCard(BaseModel):
    """Facts about a model, as they stand in every result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """As the person named it, or `org/name` for a model of the Hub."""
    revision: str
    """What tells two states of the model apart: a commit, a version, or a hash of its files."""
    library: str
    """The package that computes the vectors, with its version."""
    similarity: Literal["cosine", "dot", "lexical", "late interaction", "none"] = "cosine"
    dimension: int | None = None
    parameters: int | None = None
    max_length: int | None = None
    """Tokens after which texts are cut."""
    prompts: dict[Role, str] = {}
    """What is put before each text, verbatim."""
    precision: Precision = "fp32"
    backend: str = ""
    """What computes: `torch`, `openvino`, an address; with pooling where the person chose it."""
    trust_remote_code: bool = False
    """Whether code from the model's own repository ran."""
    settings: tuple[str, ...] = ()
    """What the person changed of the model's own configuration, as `precision=bf16`; it is then another model."""
    licence: str = "unknown"
    note: str = ""


@dataclass(frozen=True)
class Options:
    """What a person may ask of a model beside its name; `None` leaves it to the model's own configuration."""

    query_prompt: str | None = None
    passage_prompt: str | None = None
    precision: Precision = "fp32"
    backend: Literal["torch", "openvino"] = "torch"
    truncate_dim: int | None = None
    max_length: int | None = None
    device: str | None = None
    trust_remote_code: bool = False
    budget: float | None = None
    """Most that an API may cost, in the currency of its prices."""

    def settings(self) -> tuple[str, ...]:
        """The changed options that can move a vector, as `precision=bf16`."""
        moving = [field for field in fields(self) if field.name not in ("device", "budget")]
        values = {
            field.name: getattr(self, field.name) for field in moving if getattr(self, field.name) != field.default
        }
        return tuple(f"{name}={value}" for name, value in values.items())

    def changed(self) -> list[str]:
        """Names of the options that are not at their default, as they are typed."""
        return [
            f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name) != field.default
        ]


class Encoder(Protocol):
    """Turns texts into vectors. This is all that a model must do to be scored."""

    card: ModelCard

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, dimension], in the order of the texts; one batch, as large as the suite makes it."""


@runtime_checkable
class CountsTokens(Protocol):
    """An encoder that knows its tokenizer: its batches are made by tokens, and truncation is reported."""

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Tokens of each text with its prompt, before truncation, [texts]."""


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

    def scores(self, pool: Pool, progress: Progress) -> Scores:
        """The scores of every query of the pool against every candidate."""


@runtime_checkable
class Composite(Protocol):
    """A model made of others: each scores the pool in its own way, then their scores are fused."""

    card: ModelCard
    members: Sequence[Model]

    def fuse(self, scores: Sequence[Scores]) -> Scores:
        """One score of every query against every candidate from those of the members, in their order."""


Model: TypeAlias = Encoder | Scorer | Composite


def sees_images(model: Model) -> bool:
    """Whether a model can score pools that hold images."""
    if isinstance(model, Composite):
        return all(map(sees_images, model.members))
    return isinstance(model, SeesImages | IgnoresContent)


class Kind(NamedTuple):
    """One way of naming a model.

    `load` is `module:function`, imported only when such a model is asked for and called with what follows the prefix
    and the options; `options` names those of `Options` that mean something to it.
    """

    example: str
    sentence: str
    load: str
    options: tuple[str, ...] = ()


TORCH_OPTIONS = tuple(field.name for field in fields(Options) if field.name != "budget")
"""What the kinds that run torch here take: all but the budget of an API."""

KINDS: dict[str, Kind] = {
    "use-multilingual": Kind(
        "use-multilingual",
        "Universal Sentence Encoder multilingual v3, weights in its package: the embedded default",
        "suite.encoders.use:load",
    ),
    "bm25": Kind("bm25", "lexical baseline, one analyser for each candidate language", "suite.encoders.bm25:load"),
    "st": Kind(
        "st:intfloat/multilingual-e5-small",
        "a sentence-transformers model of the Hub, or a folder (st: may be left out)",
        "suite.encoders.sentence_transformer:load",
        TORCH_OPTIONS,
    ),
    "hf": Kind(
        "hf:xlm-roberta-base?pooling=mean",
        "a transformers encoder with stated pooling: mean, cls, last, max; own for CLIP (&normalise=false: dot)",
        "suite.encoders.transformer:load",
        TORCH_OPTIONS,
    ),
    "openai": Kind(
        "openai:text-embedding-3-small",
        "a model behind an endpoint that speaks OpenAI's API; openai:MODEL@http://host/v1 for any but theirs",
        "suite.encoders.openai:load",
        ("query_prompt", "passage_prompt", "truncate_dim", "budget"),
    ),
    "openai-images": Kind(
        "openai-images:MODEL@http://host/v1",
        "the same for a model that takes images too, as content of a message",
        "suite.encoders.openai:load_with_images",
        ("query_prompt", "passage_prompt", "truncate_dim", "budget"),
    ),
    "model2vec": Kind(
        "model2vec:minishlab/potion-multilingual-128M",
        "static token vectors, by model2vec, from the Hub or a folder",
        "suite.encoders.model2vec:load",
        ("truncate_dim", "max_length"),
    ),
    "sparse": Kind(
        "sparse:naver/splade-v3",
        "a learned sparse model (SPLADE), by sentence-transformers, from the Hub or a folder",
        "suite.encoders.sparse:load",
        ("query_prompt", "passage_prompt", "precision", "max_length", "device", "trust_remote_code"),
    ),
    "late": Kind(
        "late:jinaai/jina-colbert-v2",
        "a late interaction model (ColBERT), by sentence-transformers, from the Hub or a folder",
        "suite.encoders.late:load",
        ("query_prompt", "passage_prompt", "precision", "max_length", "device", "trust_remote_code"),
    ),
    "mteb": Kind(
        "mteb:intfloat/multilingual-e5-small",
        "a model of mteb's registry, with mteb's wrapper and prompts",
        "suite.encoders.mteb_model:load",
        ("truncate_dim", "device", "trust_remote_code"),
    ),
    "rrf": Kind(
        "rrf:bm25+use-multilingual",
        "two or more models, fused by their reciprocal ranks",
        "suite.encoders.fusion:load",
    ),
    "py": Kind(
        "py:my_module:make_encoder",
        "a Python function that returns an object with encode(texts, role), and encode_images(images) if it sees",
        "suite.encoders.function:load",
    ),
    "vectors": Kind("vectors:folder", "vectors made elsewhere, one file TASK.npz for each task", "suite.encoders.vectors:load"),
    "random": Kind("random", "random vectors: the floor", "suite.encoders.floors:load_random"),
    "constant": Kind(
        "constant", "one vector for everything: the floor under ties", "suite.encoders.floors:load_constant"
    ),
    "language-id": Kind(
        "language-id", "knows the language and nothing else: the bias ceiling", "suite.encoders.floors:load_language_id"
    ),
}


def load_model(name: str, options: Options = Options()) -> Model:
    """The model that a string names; imports only what this one needs.

    :raises UnknownName: the string names no kind of model.
    :raises BadEncoder: an option that this kind of model does not have.
    :raises MissingExtra: the kind needs a library that is not installed.
    :raises BadEncoder: the model is not there or cannot be loaded.
    """
    prefix, separator, rest = name.partition(":")
    if name in KINDS and KINDS[name].example == name:
        prefix, rest = name, ""
    elif not (separator and prefix in KINDS):
        if separator and (third_party := _third_party(prefix)):
            return third_party(rest, options)
        if not ("/" in name or Path(name).is_dir()):
            examples = [kind.example for kind in KINDS.values()]
            raise UnknownName("model", name, examples, "A model of the Hub is named org/name, a folder by its path.")
        prefix, rest = "st", name
    kind = KINDS[prefix]
    known = [f"--{option.replace('_', '-')}" for option in kind.options]
    for option in options.changed():
        if option not in known:
            raise BadEncoder(f"{name} takes no {option}. It takes {', '.join(known) or 'no options'}.")
    module, _, function = kind.load.partition(":")
    load: Callable[[str, Options], Model] = getattr(import_module(module), function)
    model = load(rest, options)
    if options.settings():
        model.card = model.card.model_copy(update={"settings": options.settings()})
    return model


def _third_party(prefix: str) -> Callable[[str, Options], Model] | None:
    """What an installed package offers for a prefix: an entry point of the group `panglot.encoders`."""
    from importlib.metadata import entry_points

    for entry in entry_points(group="panglot.encoders", name=prefix):
        try:
            load: Callable[[str, Options], Model] = entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "an installed package"
            raise BadEncoder(
                f"'{prefix}:' comes from {package}, whose {entry.value} cannot be imported. "
                f"{type(error).__name__}: {error}"
            ) from error
        return load
    return None
