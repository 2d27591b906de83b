"""A recipe: the complete definition of a model in one TOML file, validated before anything is loaded.

The defaults follow arXiv 2408.10536 where it states them: AdamW, learning rate 3e-5, weight decay 0.01, batches of 100,
the prompts "Query:" and "Passage:", and equal shares of monolingual and cross-lingual batches. It does not state the
temperature, pooling, length, warm-up or number of steps; those defaults are Panglot's.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from panglot.train.recipes.names import IMAGE_SETS, TEXT_SETS, check_no_evaluation_set
from panglot.train.recipes.part import Count, Part, Positive, Share
from panglot.train.recipes.towers_table import ImageTower, TextTower
from panglot.train.recipes.training_table import NOT_OF_THE_MODEL, Schedule, Validation

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
"""The languages of XQuAD-R."""

Kind: TypeAlias = Literal["mono", "cross", "mixed", "image", "captions"]
"""Kinds of batches; `captions` replaces `image` if captions are paired with captions."""


LONGEST_NAME = 100
"""Characters of the name of a model."""

PATHS = {"base", "source", "translator"}
"""Settings that may name a local file or folder."""


class Origin(Part):
    """Where a data set comes from: a set in the data folder, by its name, or a custom `source`."""

    name: str
    source: str | None = None
    """A file (Parquet, CSV, TSV or JSON Lines), a folder, or a Hub data set."""
    split: str = "train"
    """Split of a Hub data set."""
    config: str | None = None
    """Configuration of a Hub data set, if it has several."""
    revision: str | None = None
    """Commit, branch or tag of a Hub data set; the newest commit by default."""
    data_files: tuple[str, ...] = ()
    """Files of a Hub data set to read; all by default."""
    language: str | None = None
    """Column with the language of each row."""
    only_language: str | None = None
    """Language of all rows, if there is no such column."""
    bad_rows: Literal["refuse", "skip"] = "refuse"
    """Whether rows with a missing, blank or non-text cell stop the run, or are skipped and counted."""

    def check_origin(self, sets: tuple[str, ...], kind: str) -> None:
        """Check that the set is known or its source has a language, and that it is not an evaluation set.

        :raises ValueError: one of these checks fails.
        """
        check_no_evaluation_set(self.name)
        if self.source is None:
            if self.name not in sets:
                raise ValueError(f"unknown {kind} set '{self.name}'; known: {', '.join(sets)}, or set source")
            fields = type(self).model_fields
            changed = [name for name in fields if name in OF_SOURCE and getattr(self, name) != fields[name].default]
            if changed:
                raise ValueError(f"{self.name}: {', '.join(changed)} is only allowed with a source")
            return
        check_no_evaluation_set(self.source)
        if (self.language is None) == (self.only_language is None):
            raise ValueError(f"{self.name}: set either language (a column) or only_language")


_TABLE = ("language", "only_language", "bad_rows", "query", "passage", "group", "negative", "image", "caption")
OF_SOURCE = {"split", "config", "revision", "data_files", *_TABLE}
"""Settings that are only allowed with a custom source."""


class TextData(Origin):
    """Text pairs: one of the sets in the data folder, or any table with these columns."""

    query: str = "query"
    passage: str = "passage"
    group: str | None = None
    """Column whose value is the same in rows that are translations of each other."""
    negative: str | None = None
    """Column with a hard negative: a similar but wrong passage; may be empty."""
    translate_to: tuple[str, ...] = ()
    """Languages to translate the rows into."""
    translator: str = "facebook/m2m100_418M"

    @model_validator(mode="after")
    def _known(self) -> TextData:
        self.check_origin(TEXT_SETS, "data")
        return self


class ImageData(Origin):
    """Captions with images: the train split of one of the image sets, or a custom source.

    A source is a table with these columns, or a folder with images and one such table, whose image column holds file
    paths in the folder. `pairing` is `true` or one of two controls: `shuffled` pairs each caption with another image,
    and `captions` pairs it with a caption of the same image in another language instead of the image.
    """

    image: str = "image"
    """Column with the image file: its bytes or, in a folder, its path."""
    caption: str = "caption"
    languages: tuple[str, ...] = ()
    """Languages of the captions; all languages of the recipe by default."""
    pairing: Literal["true", "shuffled", "captions"] = "true"

    @model_validator(mode="after")
    def _known(self) -> ImageData:
        self.check_origin(IMAGE_SETS, "image")
        return self


class Sampler(Part):
    """Composition of batches.

    - `mono`: monolingual pairs, one language per batch (LAReQA's X-X-mono).
    - `cross`: cross-lingual pairs (LAReQA's X-Y).
    - `mixed`: monolingual pairs, all languages in a batch (LAReQA's X-X).
    - `hybrid`: each batch is mono with probability alpha, cross with beta and image-text with gamma. By default
      alpha = beta = (1 - gamma) / 2, so gamma = 0 is the method of the paper.
    """

    kind: Literal["mono", "cross", "mixed", "hybrid"] = "hybrid"
    alpha: Share | None = None
    beta: Share | None = None
    gamma: Share = 0.0
    temper: Share = 1.0
    """Data sets are drawn in proportion to their size to this power: 1 is proportional, 0 uniform."""
    cloze: Share = 0.9
    """Share of monolingual pairs whose query is removed from the passage that contains it verbatim, since finding a
    copy teaches nothing (inverse cloze task, arXiv 1906.00300, which removes nine of ten)."""
    apart: bool = True
    """Whether two pairs never share a batch if the passage of one contains the query of the other."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> Sampler:
        if self.kind != "hybrid" and (self.alpha, self.beta, self.gamma) != (None, None, 0.0):
            raise ValueError(f"alpha, beta and gamma are only allowed for the hybrid sampler, not for {self.kind}")
        shares = self.hybrid_shares()
        if min(shares) < -1e-9 or abs(sum(shares) - 1) > 1e-9:
            raise ValueError("alpha + beta + gamma must be 1")
        return self

    def hybrid_shares(self) -> tuple[float, float, float]:
        """Alpha, beta and gamma, with defaults for those that are not set."""
        rest = 1 - self.gamma
        if self.alpha is None and self.beta is None:
            return rest / 2, rest / 2, self.gamma
        alpha = rest - (self.beta or 0.0) if self.alpha is None else self.alpha
        return alpha, rest - alpha if self.beta is None else self.beta, self.gamma

    def shares(self, third: Kind = "image") -> dict[Kind, float]:
        """Probability of each kind of batch, without those of probability 0."""
        if self.kind != "hybrid":
            return {self.kind: 1.0}
        kinds: tuple[Kind, ...] = ("mono", "cross", third)
        return {kind: share for kind, share in zip(kinds, self.hybrid_shares(), strict=True) if share > 0}


class Loss(Part):
    """InfoNCE: cross-entropy of scale x cosine, with the other passages of the batch as negatives."""

    scale: Annotated[float, Field(gt=0)] = 20.0
    """1 / temperature. The paper does not state it."""
    scales: dict[Kind, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Scales of kinds of batches that differ from `scale`."""
    learned: bool = False
    """Whether the scale of each kind is trained, starting from these values."""
    symmetric: bool = False
    """Whether the loss also covers the direction from passages to queries."""
    negatives: Literal["batch", "hard"] = "batch"
    """`hard` adds the negatives of the data sets."""
    matryoshka: tuple[Positive, ...] = ()
    """Dimensions to which the vectors are truncated, each with its own loss."""
    mini_batch: Positive | None = None
    """Texts or images encoded at a time, with the gradient of the whole batch (GradCache); for encoders only."""


class Prompts(Part):
    """Prompts that precede each text."""

    query: str = "Query: "
    passage: str = "Passage: "


class Recipe(Part):
    """The complete definition of a model and its training."""

    name: str
    """Of the model and its folder: letters, digits, spaces, `.`, `_`, `+` and `-`."""
    licence: str | None = None
    """Licence of the trained model, as named on the Hub, such as `apache-2.0`."""
    seed: Count = 1
    languages: tuple[str, ...] = LANGUAGES
    text: TextTower
    image: ImageTower | None = None
    data: tuple[TextData, ...] = ()
    images: tuple[ImageData, ...] = ()
    sampler: Sampler = Sampler()
    loss: Loss = Loss()
    training: Schedule = Schedule()
    validation: Validation = Validation()
    prompts: Prompts = Prompts()
    evaluation: tuple[str, ...] = ()
    """Tasks on which the trained model is evaluated."""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if len(name) > LONGEST_NAME or not re.fullmatch(r"\w[\w .+-]*", name):
            raise ValueError(
                f"'{name[:LONGEST_NAME]}' cannot be the name of a folder: use at most {LONGEST_NAME} letters, digits, "
                "hyphens and underscores"
            )
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        text_share = 1 - self.sampler.gamma
        if self.sampler.gamma > 0 and not self.images:
            raise ValueError("gamma > 0 needs an image set: add [[images]]")
        if self.third == "image" and self.sampler.gamma > 0 and self.image is None:
            raise ValueError("gamma > 0 needs an image tower: add [image]")
        if len({data.pairing == "captions" for data in self.images}) > 1:
            raise ValueError("pairing = 'captions' must be set for all image sets or for none")
        if text_share > 0 and not self.data:
            raise ValueError("text batches need a data set: add [[data]]")
        if self.loss.mini_batch and (self.text.kind == "static" or self.loss.matryoshka or self.loss.learned):
            raise ValueError("mini_batch needs an encoder, a fixed scale and no matryoshka dimensions")
        if len({data.name for data in self.data}) < len(self.data):
            raise ValueError("two data sets have the same name")
        if len({data.name for data in (*self.data, *self.images)}) < len(self.data) + len(self.images):
            raise ValueError("a data set and an image set, or two image sets, have the same name")
        if self.text.frozen_for_images and self.image is None:
            raise ValueError("frozen_for_images needs an image tower: add [image]")
        if self.text.lora and not self.text.lora.merged and self.image:
            raise ValueError("lora.merged = false is not allowed with [image]: the saved model could not be loaded")
        return self

    @model_validator(mode="after")
    def _training_fits_the_tower(self) -> Recipe:
        given = {
            "gradient_checkpointing": self.training.gradient_checkpointing,
            "layer_decay": self.training.layer_decay < 1,
        }
        for name, is_given in given.items():
            if is_given and self.text.kind == "static":
                raise ValueError(f"training.{name} is not allowed: a static tower has no layers")
        if self.training.length and (self.text.kind == "static" or self.training.length > self.text.length):
            raise ValueError("training.length needs an encoder, and must not be larger than text.length")
        if self.text.cache_frozen and self.training.dataloader_num_workers:
            raise ValueError("text.cache_frozen needs dataloader_num_workers = 0")
        return self

    @property
    def third(self) -> Kind:
        """The third kind of batch: `image`, or `captions` if the image sets pair captions."""
        return "captions" if any(data.pairing == "captions" for data in self.images) else "image"

    @property
    def shares(self) -> dict[Kind, float]:
        """Probability of each kind of batch."""
        return self.sampler.shares(self.third)

    @property
    def public(self) -> Recipe:
        """The recipe as it is published: local files and folders by their names instead of their paths."""
        content = self.model_dump()
        for part in (content["text"], content["image"] or {}, *content["data"], *content["images"]):
            for name in PATHS & part.keys():
                part[name] = _without_folder(part[name])
        return Recipe.model_validate(content)

    @property
    def digest(self) -> str:
        """A hash (12 hex digits) of the settings that define the model; those at their defaults are left out."""
        others: dict[str, Any] = {"name": True, "licence": True, "evaluation": True, "training": NOT_OF_THE_MODEL}
        content = self.model_dump(mode="json", exclude=others, exclude_defaults=True)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _without_folder(name: str | None) -> str | None:
    """The last part of a local path; the name itself if it is not a local path."""
    return Path(name).name if name and (Path(name).is_absolute() or Path(name).exists()) else name
