"""The tables `[text]` and `[image]` of a recipe: the towers of the model."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from panglot.train.recipes.part import Count, Part, Positive, Share


class Lora(Part):
    """LoRA on the encoder (arXiv 2106.09685), by the names of `peft.LoraConfig`; the base itself is not trained."""

    r: Positive = 16
    lora_alpha: Positive = 32
    lora_dropout: Share = 0.0
    target_modules: tuple[str, ...] | Literal["all-linear"] | None = None
    """Linear layers to adapt; by default those that peft names for the architecture."""
    merged: bool = True
    """Whether the adapter is merged into the saved weights; otherwise the adapter alone is saved, and loading it needs
    peft and the base."""


class TextTower(Part):
    """The text tower.

    `base` is a folder or Hub model that sentence-transformers or transformers can load. A `static` tower averages one
    vector per token: the base's input embeddings or, without a base, randomly initialised vectors for a vocabulary
    learnt from the training texts.
    """

    kind: Literal["encoder", "static"] = "encoder"
    base: str | None = None
    vocabulary: Positive | None = None
    """Number of tokens to keep: the most frequent ones in the training texts."""
    whole_tasks: tuple[str, ...] = ()
    """Tasks whose texts keep all their tokens, as do the prompts and the validation texts, so that their vectors are
    those of the whole vocabulary. Of the training texts, `vocabulary` tokens are kept, or all by default."""
    layers: Positive | None = None
    """Number of encoder layers to keep, from both ends."""
    dimension: Positive = 256
    """Dimension of a static tower without a base."""
    length: Positive = 128
    """Maximum length of texts in tokens."""
    pooling: Literal["mean", "cls"] = "mean"
    """Pooling, if the base does not define it."""
    frozen_for_images: bool = False
    """Whether image batches train only the projection and not the text tower."""
    frozen_layers: Count | None = None
    """Number of first layers that are not trained, nor are the embeddings; 0 freezes only the embeddings."""
    cache_frozen: bool = False
    """Whether the output of the frozen layers is stored on disk, so that each text passes through them only once."""
    lora: Lora | None = None

    @model_validator(mode="after")
    def _needs(self) -> TextTower:
        if self.kind == "encoder" and self.base is None:
            raise ValueError("an encoder needs a base: a folder or a Hub model")
        for name in ("layers", "frozen_layers", "lora") if self.kind == "static" else ():
            if getattr(self, name) is not None:
                raise ValueError(f"{name} is not allowed: a static tower has no layers")
        if self.whole_tasks and self.kind == "static":
            raise ValueError("whole_tasks is only allowed for encoders")
        if self.cache_frozen and not self.frozen_layers:
            raise ValueError("cache_frozen needs frozen_layers of at least 1")
        if self.lora and not self.lora.merged and (self.layers or self.vocabulary or self.whole_tasks):
            raise ValueError("lora.merged = false needs the whole base: remove layers, vocabulary and whole_tasks")
        return self


LITE0 = "efficientnet-lite0"


class ImageTower(Part):
    """The image tower with a projection.

    `base` is `efficientnet-lite0`, from its package, or a folder or Hub model that transformers can load: a vision
    model, or a CLIP or SigLIP model, of which only the vision encoder is used.
    """

    base: str = LITE0
    pooling: tuple[Literal["mean", "max"], ...] = ()
    """How the features of all places of an image are pooled, both ways side by side; by default as the model does."""
    frozen_layers: Count | Literal["all"] = "all"
    """Number of first layers that are not trained, nor are the embeddings; 0 freezes only the embeddings. With `all`,
    only the projection is trained, and image features are computed once."""
    projection: Literal["random", "class-names"] = "random"
    """What the projection starts from: random weights, or a regression of the training images on the names of the
    ImageNet classes that EfficientNet-Lite0 sees in them, as the text tower encodes these."""

    @model_validator(mode="after")
    def _is_consistent(self) -> ImageTower:
        if len(set(self.pooling)) < len(self.pooling):
            raise ValueError(f"pooling names '{self.pooling[0]}' twice: the copy adds nothing. Remove one")
        if self.projection == "class-names" and self.base != LITE0:
            raise ValueError(f"projection = 'class-names' needs the classes of {LITE0}: remove it or base")
        return self
