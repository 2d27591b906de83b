"""A recipe: everything that makes a model, in one TOML file, checked before anything is loaded.

What arXiv 2408.10536 states stands as default: AdamW, learning rate 3e-5, weight decay 0.01, batches of 100 and the
prompts "Query:" and "Passage:", monolingual and cross-lingual batches half and half. It states neither temperature,
pooling, length, warm-up nor the number of steps; the defaults of these are ours.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from panglot.train.sets import IMAGE_SETS, TEXT_SETS, check_no_evaluation_set

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
"""Those of XQuAD-R."""

Kind: TypeAlias = Literal["mono", "cross", "mixed", "image", "captions"]
"""What a batch can be; `captions` stands in for `image` where captions are paired with captions."""

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Positive: TypeAlias = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """A table of the recipe: frozen, without keys that mean nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TextTower(Part):
    """The text tower.

    `base` is a folder or a name of the Hub that sentence-transformers or transformers loads. A `static` tower keeps
    one vector for each token and averages them: those of the base's own input embeddings, or, without a base, random
    ones for a vocabulary learnt from the training texts.
    """

    kind: Literal["encoder", "static"] = "encoder"
    base: str | None = None
    vocabulary: Positive | None = None
    """Tokens that are kept: the most frequent of the training texts."""
    layers: Positive | None = None
    """Layers of an encoder that are kept, of the first and the last."""
    dimension: Positive = 256
    """Of a static tower without a base."""
    length: Positive = 128
    """Tokens after which texts are cut."""
    pooling: Literal["mean", "cls"] = "mean"
    """Of a base that states none."""
    frozen_for_images: bool = False
    """Whether image batches leave the text tower as it is and train the projection alone."""

    @model_validator(mode="after")
    def _needs(self) -> TextTower:
        if self.kind == "encoder" and self.base is None:
            raise ValueError("an encoder needs a base: a folder or a name of the Hub")
        if self.kind == "static" and self.layers is not None:
            raise ValueError("a static tower has no layers to keep")
        return self


class ImageTower(Part):
    """The image tower and a projection.

    `base` is `efficientnet-lite0`, from its package, or a folder or a name of the Hub that transformers loads: a vision
    model, or a CLIP or SigLIP, of which only the part that sees is taken.
    """

    base: str = "efficientnet-lite0"
    frozen: bool = True
    """Whether only the projection is trained; features are then made once."""


class Origin(Part):
    """Where a data set comes from: a set of the data folder, which its name says, or a `source` of one's own."""

    name: str
    source: str | None = None
    """A file (Parquet, CSV, TSV or JSON lines), a folder, or a data set of the Hub."""
    split: str = "train"
    """Of a data set of the Hub, as are the three that follow."""
    config: str | None = None
    """Its configuration, where it has several."""
    revision: str | None = None
    """A commit, branch or tag; the newest commit by default."""
    data_files: tuple[str, ...] = ()
    """Those of its files that are read; all by default."""
    language: str | None = None
    """Column with the language of a row."""
    only_language: str | None = None
    """Language of all rows, where no column says it."""

    def check_origin(self, sets: tuple[str, ...], kind: str) -> None:
        """Check that the set is known, or that its source states its languages, and that no model is measured on it.

        :raises ValueError: what is wrong.
        """
        check_no_evaluation_set(self.name)
        if self.source is None:
            if self.name not in sets:
                raise ValueError(f"unknown {kind} set '{self.name}'; known: {', '.join(sets)}, or give a source")
            fields = type(self).model_fields
            changed = [name for name in fields if name in OF_SOURCE and getattr(self, name) != fields[name].default]
            if changed:
                raise ValueError(f"{self.name}: {', '.join(changed)} needs a source of your own")
            return
        check_no_evaluation_set(self.source)
        if (self.language is None) == (self.only_language is None):
            raise ValueError(f"{self.name}: name the column with the language, or state only_language")


OF_SOURCE = {"split", "config", "revision", "data_files", "language", "only_language", "query", "passage", "group"}
OF_SOURCE |= {"negative", "image", "caption"}
"""Settings that only a source of one's own takes."""


class TextData(Origin):
    """Pairs of texts: one of the sets in the data folder, or any table with these columns."""

    query: str = "query"
    passage: str = "passage"
    group: str | None = None
    """Column that is equal in rows that translate each other."""
    negative: str | None = None
    """Column with a passage that is close but wrong; a row may lack one."""
    translate_to: tuple[str, ...] = ()
    """Languages into which the rows are also translated."""
    translator: str = "facebook/m2m100_418M"

    @model_validator(mode="after")
    def _known(self) -> TextData:
        self.check_origin(TEXT_SETS, "data")
        return self


class ImageData(Origin):
    """Captions with images: the train split of one of the image sets, or a source of one's own.

    A source is a table with these columns, or a folder with images and one such table, whose image column names files
    of the folder. `pairing` is `true`, or one of two controls: `shuffled` gives each caption the image of another,
    `captions` gives it, in place of the image, a caption of the same image in another language.
    """

    image: str = "image"
    """Column with the file of an image: its bytes or, in a folder, its path there."""
    caption: str = "caption"
    languages: tuple[str, ...] = ()
    """Of the captions; all of the recipe by default."""
    pairing: Literal["true", "shuffled", "captions"] = "true"

    @model_validator(mode="after")
    def _known(self) -> ImageData:
        self.check_origin(IMAGE_SETS, "image")
        return self


class Sampler(Part):
    """What batches are made of.

    `mono`: one language a batch, LAReQA's X-X-mono. `cross`: every pair crosses languages, X-Y. `mixed`: every pair in
    one language, batches of all, LAReQA's X-X. `hybrid`: each batch is mono with probability alpha, cross with beta,
    image-text with gamma; by default alpha = beta = (1 - gamma) / 2, so that gamma = 0 is the paper.
    """

    kind: Literal["mono", "cross", "mixed", "hybrid"] = "hybrid"
    alpha: Share | None = None
    beta: Share | None = None
    gamma: Share = 0.0
    temper: Share = 1.0
    """Data sets are drawn in proportion to size to this power: 1 proportional, 0 all alike."""
    cloze: Share = 0.9
    """Share of pairs in one language whose passage is shown without the query, where that stands in it word for word:
    finding a copy teaches nothing (inverse cloze, arXiv 1906.00300, which takes out nine of ten)."""
    apart: bool = True
    """Whether pairs never share a batch where the passage of one contains the query of the other."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> Sampler:
        if self.kind != "hybrid" and (self.alpha, self.beta, self.gamma) != (None, None, 0.0):
            raise ValueError(f"alpha, beta and gamma belong to the sampler hybrid, not to {self.kind}")
        shares = self.hybrid_shares()
        if min(shares) < -1e-9 or abs(sum(shares) - 1) > 1e-9:
            raise ValueError("alpha + beta + gamma must be 1")
        return self

    def hybrid_shares(self) -> tuple[float, float, float]:
        """Alpha, beta and gamma with what was left out filled in."""
        rest = 1 - self.gamma
        if self.alpha is None and self.beta is None:
            return rest / 2, rest / 2, self.gamma
        alpha = rest - (self.beta or 0.0) if self.alpha is None else self.alpha
        return alpha, rest - alpha if self.beta is None else self.beta, self.gamma

    def shares(self, third: Kind = "image") -> dict[Kind, float]:
        """Probability of each kind of batch that can come."""
        if self.kind != "hybrid":
            return {self.kind: 1.0}
        kinds: tuple[Kind, ...] = ("mono", "cross", third)
        return {kind: share for kind, share in zip(kinds, self.hybrid_shares(), strict=True) if share > 0}


class Loss(Part):
    """InfoNCE over the batch: cross-entropy of scale x cosine, the other passages of the batch as negatives."""

    scale: Annotated[float, Field(gt=0)] = 20.0
    """1 / temperature. The paper states none."""
    scales: dict[Kind, Annotated[float, Field(gt=0)]] = {}
    """Where a kind of batch has its own."""
    learned: bool = False
    """Whether each kind's scale is trained, from there on."""
    symmetric: bool = False
    """Whether passages also look for their queries."""
    negatives: Literal["batch", "hard"] = "batch"
    """`hard` adds the negatives that the data sets name."""
    matryoshka: tuple[Positive, ...] = ()
    """Dimensions to which vectors are cut, each with its own loss."""
    mini_batch: Positive | None = None
    """Rows that are encoded at once, with the gradient of the whole batch (GradCache); for encoders."""


class Schedule(Part):
    """How long and how fast."""

    steps: Positive = 1000
    batch: Annotated[int, Field(ge=2)] = 100
    learning_rate: Annotated[float, Field(ge=0)] = 3e-5
    """0 leaves the start as it is, to be measured."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    warmup: Share = 0.0
    """Share of the steps over which the rate rises; it then falls to 0 in a line."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    checkpoint_every: Positive | None = None
    """Steps; by default with each validation, or never."""


class Validation(Part):
    """Sentences of FLORES find their translations; the best state is kept. Never an evaluation set."""

    every: Positive | None = None
    """Steps; never by default, the last state is then kept."""
    sentences: Positive = 200
    patience: Positive | None = None
    """Validations without a better one after which training stops."""


class Prompts(Part):
    """What is put before each text."""

    query: str = "Query: "
    passage: str = "Passage: "


class Recipe(Part):
    """Everything that makes a model."""

    name: str
    seed: Annotated[int, Field(ge=0)] = 1
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
    """Tasks that the finished model is scored on."""

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        text_share = 1 - self.sampler.gamma
        if self.sampler.gamma > 0 and not self.images:
            raise ValueError("gamma > 0 needs an image set: add [[images]]")
        if self.third == "image" and self.sampler.gamma > 0 and self.image is None:
            raise ValueError("gamma > 0 needs an image tower: add [image]")
        if len({data.pairing == "captions" for data in self.images}) > 1:
            raise ValueError("either all image sets pair captions with captions, or none")
        if text_share > 0 and not self.data:
            raise ValueError("text batches need a data set: add [[data]]")
        if self.loss.mini_batch and (self.text.kind == "static" or self.loss.matryoshka or self.loss.learned):
            raise ValueError("mini_batch is for encoders, with a fixed scale and whole vectors")
        if len({data.name for data in self.data}) < len(self.data):
            raise ValueError("two data sets have one name")
        if len({data.name for data in (*self.data, *self.images)}) < len(self.data) + len(self.images):
            raise ValueError("a data set and an image set, or two image sets, have one name")
        if self.text.frozen_for_images and self.image is None:
            raise ValueError("frozen_for_images needs an image tower: add [image]")
        return self

    @property
    def third(self) -> Kind:
        """What the third kind of batch is."""
        return "captions" if any(data.pairing == "captions" for data in self.images) else "image"

    @property
    def shares(self) -> dict[Kind, float]:
        """Probability of each kind of batch."""
        return self.sampler.shares(self.third)

    @property
    def digest(self) -> str:
        """Tells models apart: a hash of all that makes one, so without the name and the tasks it is scored on."""
        content = self.model_dump(mode="json", exclude={"name", "evaluation"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
