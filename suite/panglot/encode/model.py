"""The interfaces that models implement, and what they tell about a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from panglot.arrays import Floats, Ints
from panglot.data.pool import Pool
from panglot.encode.budget import TokenBudget
from panglot.encode.card import ModelCard, Role
from panglot.progress import Progress
from panglot.retrieve.similarity import ScoreBlocks

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors; the only interface that a model must implement."""

    card: ModelCard

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Encode one batch of texts; returns vectors [texts, dimension] in the same order."""


@runtime_checkable
class CountsTokens(Protocol):
    """A model that can count tokens: batches are sized by tokens, and truncation is reported."""

    card: ModelCard

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Count the tokens of each text including its prompt, before truncation, [texts]."""


@runtime_checkable
class CutsByRole(Protocol):
    """A model that can truncate queries and passages at different lengths, such as a router with two models."""

    def cut_at(self, role: Role) -> int | None:
        """Return the maximum number of tokens for texts in this role, or None if they are not truncated."""


@runtime_checkable
class HasBudget(Protocol):
    """A model that knows its device: where the search for the size of its batches starts, or what it is fixed to."""

    budget: TokenBudget


@runtime_checkable
class HasImageBudget(Protocol):
    """An encoder that says how many images a batch may have, as `HasBudget` does for the tokens of texts."""

    image_budget: TokenBudget


@runtime_checkable
class OnDevice(Protocol):
    """A model that computes on a device of torch, which can also compare its vectors."""

    device: str
    """The device, or the first of several."""
    hardware: str
    """All devices with their names, and the implementation of attention, in words."""


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
    """Scores how well a passage answers a query, reading both together, in batches of the size that its budget says."""

    card: ModelCard
    budget: TokenBudget
    """In pairs instead of tokens, unless the scorer counts tokens too."""

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


def batch_tokens(model: Model) -> int | None:
    """Return the tokens in a batch of a model, or of its reranker; None if nothing was encoded, or none are counted."""
    part = _costliest(model)
    return part.budget.used if isinstance(part, HasBudget) and isinstance(part, CountsTokens) else None


def hardware(model: Model) -> str | None:
    """Return the devices of a model, or of its reranker, in words; None if it does not say."""
    part = _costliest(model)
    return part.hardware if isinstance(part, OnDevice) else None


def _costliest(model: Model) -> Model | PairScorer:
    """The part of a model that options of encoding apply to."""
    return model.pair_scorer if isinstance(model, Reranks) else model


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
