"""Evaluate newly trained models; models that share a frozen vision tower encode every image only once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router

from panglot.arrays import Floats, Ints, write_arrays
from panglot.data.task import Task
from panglot.encode.cache import VectorCache
from panglot.encode.card import Precision, Role
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder
from panglot.encode.load import load_model
from panglot.encode.model import Model
from panglot.encode.options import Options
from panglot.errors import BadEncoder
from panglot.evaluate.run import run
from panglot.files import write_whole
from panglot.progress import Progress, silent
from panglot.remedies.debiased import Debias
from panglot.results.naming import result_folder, stem_of
from panglot.train.towers.frozen_cache import cache_frozen_layers
from panglot.train.towers.layers import text_module
from panglot.train.towers.vision import vision_digest

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def score_folder(
    folder: Path,
    tasks: Sequence[Task],
    results: Path,
    progress: Progress = silent,
    features: Path | None = None,
    precision: Precision = "fp32",
    frozen: tuple[int, Path] | None = None,
    cache: VectorCache | None = None,
    debias: Debias | None = None,
) -> list[Path]:
    """Evaluate the model in `folder` on tasks and return the result files; existing ones are reused.

    `features` is a folder that stores image features, so that models with the same vision tower compute them once.
    `frozen` is the number of first layers that training left unchanged, with the folder of their stored hidden states.
    `cache` keeps vectors, so that the model can be scored with several methods of debiasing.

    :raises BadEncoder: the folder is not a model.
    :raises PanglotError: see `panglot.evaluate.run.run`.
    """
    seen = features if features and _has_vision(folder) else None
    device = None if frozen or seen else gpus_of_processes()
    loaded = load_model(str(folder), Options(precision=precision, device=device))
    if frozen and isinstance(loaded, SentenceTransformerEncoder):
        cache_frozen_layers(text_module(loaded.model), *frozen)
    model: Model = CachedFeatures(loaded, folder, seen) if seen else loaded
    card = debias.card(model.card) if debias else model.card
    paths = []
    for task in tasks:
        path = result_folder(results, card) / f"{stem_of(task)}.json"
        if not path.is_file():
            path = run(task, model, cache=cache, progress=progress, debias=debias).save(results)
        paths.append(path)
    return paths


def gpus_of_processes() -> str | None:
    """The GPUs of this machine on which torchrun has trained, as `--device` takes them; None if it did not use several.

    Their processes have ended when the first one scores the model.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    several = processes > 1 and torch.cuda.is_available()
    return ",".join(f"cuda:{number}" for number in range(processes)) if several else None


class CachedFeatures:
    """A model with a frozen vision tower: stores the features of each image and computes only the projection."""

    def __init__(self, inner: Any, folder: Path, features: Path) -> None:
        self.card, self.budget = inner.card, inner.budget
        self.device, self.hardware = inner.device, inner.hardware
        self._inner = inner
        router = SentenceTransformer(str(folder), device="cpu")[0]
        *self._vision, self._projection = router.sub_modules["image"]
        self._path = features / f"{vision_digest(self._vision).hexdigest()[:24]}.npz"
        self._known: dict[str, np.ndarray] = {}
        if self._path.is_file():
            with np.load(self._path, allow_pickle=False) as stored:
                self._known = dict(zip(stored["pictures"].tolist(), stored["features"], strict=True))

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors of texts, [texts, dimension]."""
        return self._inner.encode(texts, role)

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Tokens of each text, [texts]."""
        return self._inner.count_tokens(texts, role)

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors of images, [images, dimension]."""
        names = [hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest() for image in images]
        fresh = {name: image for name, image in zip(names, images, strict=True) if name not in self._known}
        if fresh:
            self._add_features(list(fresh), list(fresh.values()))
        features = torch.from_numpy(np.stack([self._known[name] for name in names]))
        with torch.no_grad():
            return self._projection({"sentence_embedding": features})["sentence_embedding"].numpy()

    def _add_features(self, names: list[str], images: list[Picture]) -> None:
        model = SentenceTransformer(modules=self._vision, device=self.device)
        found = model.encode(images, batch_size=len(images), show_progress_bar=False)
        self._known |= dict(zip(names, np.asarray(found, np.float32), strict=True))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        pictures, features = np.array(list(self._known)), np.stack(list(self._known.values()))
        write_whole(self._path, partial(write_arrays, pictures=pictures, features=features))


def _has_vision(folder: Path) -> bool:
    """Whether the model in a folder has an image route.

    :raises BadEncoder: the folder is not a model.
    """
    if not (folder / "modules.json").is_file():
        raise BadEncoder(f"{folder} is not a sentence-transformers model: it has no modules.json.")
    return Router.config_file_name in {path.name for path in folder.rglob("*.json")}
