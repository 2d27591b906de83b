"""An evaluator for the trainer of sentence-transformers: the scores of a Panglot task during training.

    trainer = SentenceTransformerTrainer(model, args, data, loss=loss, evaluator=PanglotEvaluator("starter"))

With `metric_for_best_model="eval_starter_multi_map"` and `load_best_model_at_end=True`, the trainer keeps the
checkpoint that retrieves best in the pool of all languages.
"""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from panglot.arrays import Floats
from panglot.data.corpus import StreamedTask
from panglot.data.load import read_pool
from panglot.data.task import Task
from panglot.encode.card import UNKNOWN, ModelCard, Role
from panglot.encode.model import Encoder
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder, PanglotError, UnknownName, require
from panglot.evaluate.resolve import resolve_task
from panglot.numbers import interval, short
from panglot.results.naming import result_stem, stem_of
from panglot.retrieve.ranking import collect_evidence
from panglot.score.bias import HEADLINES
from panglot.score.bootstrap import Score
from panglot.score.settings import SCORES
from panglot.score.summary import Scores, score_evidence

require("sentence_transformers", "st", "PanglotEvaluator")
from sentence_transformers import SentenceTransformer  # noqa: E402, the class below inherits from its evaluator
from sentence_transformers.base.evaluation import BaseEvaluator  # noqa: E402

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

BIAS = ("rank_distance", *HEADLINES)
"""The bias measures that are logged."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A name that can be part of a file name."""

logger = logging.getLogger(__name__)


class PanglotEvaluator(BaseEvaluator):
    """Scores a sentence-transformers model on a Panglot task: `mono`, `cross`, `multi`, `balance` and language bias.

    Called with a model, it returns a dictionary such as `{"starter_multi_map": 0.61, "starter_multi_map_low": 0.55,
    "starter_multi_map_high": 0.66, …}`; `_low` and `_high` are the ends of the 95 % interval, absent if the task has
    too few clusters. The trainer adds `eval_` in front. Prompts are those of the model. The task is read once; vectors
    are neither stored nor taken from the vector cache.

    :param task: a name as `panglot tasks` lists them, the path of your own folder or TOML file, or a `Task`.
    :param languages: codes such as `["de", "en"]` or `"de,en"`; all languages by default.
    :param name: the prefix of the metrics; by default the task's name, with the languages if they are not all.
    :param primary: `mono`, `cross`, `multi` or `balance`: the setting that selects the best checkpoint.
    :param batch_size: texts that are encoded together, at least 1.
    :param truncate_dim: score the first so many dimensions only, at least 1; the model's own setting by default.
    :param write_csv: append the scores to `Panglot_evaluation_NAME_results.csv` in the trainer's folder `eval`. Each
        row says what was scored; if the file has other columns, one with a number after NAME is written.
    :raises UnknownName: unknown task, language or setting.
    :raises MissingData: the data is not on this machine and cannot be fetched.
    :raises BadData: the data is damaged or does not match the task.
    :raises PanglotError: the task streams its passages, the name matches several tasks, or a number is below 1.
    """

    def __init__(
        self,
        task: str | Path | Task = "starter",
        languages: str | Sequence[str] = (),
        *,
        name: str = "",
        primary: Literal["mono", "cross", "multi", "balance"] = "multi",
        batch_size: int = 32,
        truncate_dim: int | None = None,
        write_csv: bool = True,
    ) -> None:
        super().__init__()
        if primary not in SCORES:
            raise UnknownName("setting", primary, SCORES)
        for option, number in (("batch_size", batch_size), ("truncate_dim", truncate_dim)):
            if number is not None and number < 1:
                raise PanglotError(f"{option} is {number}. It must be at least 1.")
        self.task = task if isinstance(task, Task) else resolve_task(str(task))
        if isinstance(self.task, StreamedTask):
            raise PanglotError(f"{self.task.name} streams its passages, which takes too long during training.")
        chosen = languages.replace(" ", "").split(",") if isinstance(languages, str) else languages
        self._pool = read_pool(self.task, list(filter(None, chosen)))
        self.name = name or stem_of(self.task, self._pool.languages)
        self.primary_metric = f"{self.name}_{primary}_{self.task.headline}"
        self.csv_file = f"Panglot_evaluation_{_file_name(self.name)}_results.csv"
        self._batch_size, self._truncate_dim, self._write_csv = batch_size, truncate_dim, write_csv

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Return the scores of the model by metric name.

        :raises BadEncoder: it is not a `SentenceTransformer`, cannot encode the task's images, uses a similarity other
            than cosine and dot product, or returns invalid vectors.
        :raises PanglotError: the task has no score in the primary setting.
        """
        encoder = _wrapped(model, self._batch_size, self._truncate_dim)
        evidence = collect_evidence(self._pool, score_pool(encoder, self._pool).scores)
        scores = _chosen(score_evidence(evidence, self.task.headline, [self.task.headline], measures=BIAS), self.task)
        for measured, score in scores.items():
            logger.info("%s %s: %s (%s)", self.name, measured, short(score.value), interval(score.low, score.high))
        metrics, config = self.prefix_name_to_metrics(_flat(scores), self.name), self.get_config_dict()
        if self.primary_metric not in metrics:
            raise PanglotError(
                f"{self.task.name} has no score {self.primary_metric.removeprefix(self.name + '_')}. Set `primary` to "
                f"one of {', '.join(setting for setting in SCORES if f'{setting}_{self.task.headline}' in scores)}."
            )
        if output_path is not None and self._write_csv:
            told = {name: " ".join(value) if isinstance(value, list) else value for name, value in config.items()}
            self._append(Path(output_path), {"epoch": epoch, "steps": steps, **told, **_flat(scores)})
        self.store_metrics_in_model_card_data(model, metrics, epoch, steps)
        return metrics

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card says about the evaluation: the task, its languages and the fingerprint of its content."""
        config = {
            "task": self.task.name,
            "languages": list(self._pool.languages),
            "fingerprint": self._pool.fingerprint,
        }
        return config if self._truncate_dim is None else {**config, "truncate_dim": self._truncate_dim}

    def _append(self, folder: Path, row: dict[str, Any]) -> None:
        """Append a row to the first file of that name that has its columns, or is not there yet."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = (folder / self.csv_file.replace("_results.csv", f"{more}_results.csv") for more in _numbers())
        path = next(path for path in paths if _columns(path) in (None, [*row]))
        is_new = not path.exists()
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, row)
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def _file_name(name: str) -> str:
    """The name as a part of a file's name; one with a slash or a space gets the start of its hash."""
    return name if _PLAIN.fullmatch(name) else result_stem(name)


def _numbers() -> Iterator[str]:
    """Yield nothing, `-2`, `-3` and so on."""
    yield ""
    yield from (f"-{number}" for number in count(2))


def _columns(path: Path) -> list[str] | None:
    """The columns of a CSV file; None if there is no such file."""
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


def _chosen(scores: Scores, task: Task) -> dict[str, Score]:
    """The headline metric in each setting, and the bias measures, as far as the task has them."""
    settings = {**scores.settings, "balance": scores.balance}
    headline = {
        f"{setting}_{task.headline}": by_metric[task.headline]
        for setting, by_metric in settings.items()
        if task.headline in by_metric
    }
    return headline | {name: scores.bias[name] for name in BIAS if name in scores.bias}


def _flat(scores: dict[str, Score]) -> dict[str, float]:
    """Each score and the ends of its interval as numbers with names of their own."""
    flat: dict[str, float] = {}
    for name, score in scores.items():
        ends = {f"{name}_low": score.low, f"{name}_high": score.high}
        flat |= {name: score.value} | {end: value for end, value in ends.items() if value is not None}
    return flat


def _wrapped(model: Any, batch_size: int, truncate_dim: int | None) -> Encoder:
    """The model as an encoder; unlike a model loaded by name, nothing about it is checked or changed.

    :raises BadEncoder: it is not a `SentenceTransformer`, or uses another similarity than cosine and dot product.
    """
    if not isinstance(model, SentenceTransformer):
        raise BadEncoder(f"PanglotEvaluator scores a SentenceTransformer, not a {type(model).__name__}.")
    if model.similarity_fn_name not in ("cosine", "dot"):
        raise BadEncoder(
            f"The model uses the similarity '{model.similarity_fn_name}'; Panglot supports cosine and dot product."
        )
    return (_SeeingModel if model.supports("image") else _Model)(model, batch_size, truncate_dim)


class _Model:
    """A `SentenceTransformer` in its present state, which has no revision yet."""

    def __init__(self, model: Any, batch_size: int, truncate_dim: int | None) -> None:
        self._model = model
        self._settings: dict[str, Any] = {
            "batch_size": batch_size,
            "truncate_dim": truncate_dim,
            "show_progress_bar": False,
            "convert_to_numpy": True,
        }
        self.card = ModelCard(
            name="the model in training",
            revision=UNKNOWN,
            library=f"sentence-transformers {version('sentence-transformers')}",
            similarity=model.similarity_fn_name,
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return vectors [texts, dimension], with the model's own prompts.

        :raises BadEncoder: they have fewer dimensions than are to be scored.
        """
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        vectors = np.asarray(encode(list(texts), **self._settings), np.float32)
        wanted = self._settings["truncate_dim"]
        if wanted is not None and vectors.shape[-1] < wanted:
            raise BadEncoder(f"truncate_dim is {wanted}, but the model's vectors have {vectors.shape[-1]} dimensions.")
        return vectors


class _SeeingModel(_Model):
    """A model that embeds images in the same space as texts."""

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Return vectors [images, dimension]."""
        return np.asarray(self._model.encode(list(images), prompt="", **self._settings), np.float32)
