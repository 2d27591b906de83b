"""The record of a training run, and its model card in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from panglot.encode.model import Precision
from panglot.files import write_whole
from panglot.results.record import Record
from panglot.results.result_record import ResultRecord
from panglot.score.bootstrap import Score
from panglot.train.batches import BatchDrawer
from panglot.train.leak import LeakCheck
from panglot.train.pairs import Pairs
from panglot.train.recipe import Recipe

LICENCES = {
    "ntrex": "NTREX-128, CC BY-SA 4.0",
    "ntrex_sample": "NTREX-128, CC BY-SA 4.0",
    "mkqa_questions": "MKQA questions, CC BY-SA 3.0",
    "sections": "open source guides (CC BY 4.0), bitcoin.org (MIT), Elixir School (Apache-2.0)",
    "qa_pairs": "ARCD (MIT), CMRC 2018 (CC BY-SA 4.0), enelpi 2020 (MIT), iApp Wiki QA (MIT)",
    "terms": "iD tagging schema (ISC), Unicode CLDR (Unicode-3.0)",
    "emoji": "Noto Emoji (SIL OFL 1.1), Unicode CLDR (Unicode-3.0)",
    "emoji_sample": "Noto Emoji (SIL OFL 1.1), Unicode CLDR (Unicode-3.0)",
    "storybooks": "African Storybook / Global Storybooks, CC BY 3.0 and 4.0",
}


class DataRecord(Record):
    """Number of pairs of a data set, by kind."""

    name: str
    same_language: int
    crossing: int
    with_image: int


class LeakRecord(Record):
    """A `panglot.train.leak.Leak` as it is stored."""

    task: str
    language: str
    texts: int
    exact: int
    overlapping: int


class TrainingRecord(Record):
    """How a model was trained."""

    recipe: str
    """The recipe's digest."""
    steps: int
    """Steps taken; fewer than the recipe's after early stopping."""
    best_step: int | None
    best_validation: float | None
    seconds: float
    precision: Precision
    """Precision used in training: fp32 if the recipe sets bf16 and the processor does not support it."""
    packages: dict[str, str]
    data: tuple[DataRecord, ...]
    left_out: tuple[str, ...]
    """Data sets that are too small for a batch of some kind."""
    leaks: tuple[LeakRecord, ...]
    compared: tuple[str, ...] = ()
    """Tasks that the training data was compared with."""
    not_compared: tuple[str, ...] = ()
    """Tasks whose data was not available."""
    scales: dict[str, float]
    history: tuple[dict[str, float], ...]

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        pairs: Pairs,
        drawer: BatchDrawer,
        check: LeakCheck,
        state: Any,
        seconds: float,
        precision: Precision,
        scales: dict[str, float],
    ) -> TrainingRecord:
        """The record of a run that ended with this Trainer state."""
        best = state.best_metric
        return cls(
            recipe=recipe.digest,
            steps=state.global_step,
            best_step=None if best is None else state.best_global_step,
            best_validation=best,
            seconds=round(seconds, 1),
            precision=precision,
            packages={name: version(name) for name in ("torch", "transformers", "sentence-transformers", "panglot")},
            data=tuple(_data_records(pairs)),
            left_out=tuple(map(str, drawer.thin)),
            leaks=tuple(LeakRecord(**leak._asdict()) for leak in check.leaks),
            compared=check.compared,
            not_compared=check.absent,
            scales=scales,
            history=tuple(state.log_history),
        )


def _data_records(pairs: Pairs) -> Iterator[DataRecord]:
    same = pairs.query_language == pairs.passage_language
    for place, name in enumerate(pairs.sets):
        of_set = pairs.origin == place
        yield DataRecord(
            name=name,
            same_language=int((of_set & same & ~pairs.has_image).sum()),
            crossing=int((of_set & ~same & ~pairs.has_image).sum()),
            with_image=int((of_set & pairs.has_image).sum()),
        )


def write_card(folder: Path, recipe: Recipe, training: TrainingRecord, results: Sequence[ResultRecord] = ()) -> None:
    """Write the model card to the model's folder."""
    text = model_card(recipe, training, results)
    write_whole(folder / "README.md", lambda path: path.write_text(text, encoding="utf-8"))


def model_card(recipe: Recipe, training: TrainingRecord, results: Sequence[ResultRecord] = ()) -> str:
    """The card: front matter, description, scores, data, leak check and the whole recipe."""
    parts = [
        _front_matter(recipe),
        f"# {recipe.name}",
        _sentence(recipe, training),
        *(["## Scores", _scores(results)] if results else []),
        "## Training data",
        _data(training),
        "## Leak check",
        _leaks(training),
        "## Recipe",
        f"Digest `{training.recipe}`. The same recipe, data and versions give the same model.",
        f"```json\n{recipe.model_dump_json(indent=1)}\n```",
        "![Loss curves](curves.png)",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(recipe: Recipe) -> str:
    languages = "\n".join(f"- '{language}'" for language in recipe.languages)
    tags = "- sentence-transformers\n- multilingual\n- panglot"
    return f"---\nlibrary_name: sentence-transformers\nlanguage:\n{languages}\ntags:\n{tags}\n---"


def _sentence(recipe: Recipe, training: TrainingRecord) -> str:
    shares = ", ".join(f"{kind} {share:.2g}" for kind, share in recipe.shares.items())
    sentence = (
        f"Trained by `panglot train` for {training.steps} steps of {recipe.training.batch} pairs "
        f"({training.seconds:.0f} s, {training.precision}) from {recipe.text.base or 'scratch'}; "
        f"shares of batches: {shares}."
    )
    if training.best_validation is not None:
        sentence += (
            f" The checkpoint of step {training.best_step} was kept: it retrieves the translation of "
            f"{training.best_validation:.1%} of FLORES sentences."
        )
    return sentence


def _scores(results: Sequence[ResultRecord]) -> str:
    lines = ["| task | metric | mono | cross | multi | balance |", "|---|---|---|---|---|---|"]
    for result in results:
        headline = result.task.headline
        found = [result.settings.get(setting, {}).get(headline) for setting in ("mono", "cross", "multi")]
        found.append(result.balance.get(headline))
        lines.append(f"| {result.task.name} | {headline} | {' | '.join(map(_with_interval, found))} |")
    return "\n".join(lines)


def _with_interval(score: Score | None) -> str:
    if score is None:
        return "–"
    return f"{score.value:.3f}" + ("" if score.low is None else f" ({score.low:.3f} to {score.high:.3f})")


def _data(training: TrainingRecord) -> str:
    lines = ["| set | monolingual pairs | cross-lingual pairs | image pairs | sources |", "|---|---|---|---|---|"]
    lines += [
        f"| {found.name} | {found.same_language:,} | {found.crossing:,} | {found.with_image:,} "
        f"| {LICENCES.get(found.name, 'see its card')} |"
        for found in training.data
    ]
    if training.left_out:
        lines += ["", f"Not used, too small for a batch: {'; '.join(training.left_out)}."]
    return "\n".join(lines)


def _leaks(training: TrainingRecord) -> str:
    absent = training.not_compared
    lines = [f"Not compared, data not available: {', '.join(absent)}.", ""] if absent else []
    if not training.leaks:
        compared = ", ".join(training.compared)
        return "\n".join(
            [*lines, f"Compared with {compared}." if compared else "Not done: no task data was available."]
        )
    tasks: dict[str, list[LeakRecord]] = {}
    for leak in training.leaks:
        tasks.setdefault(leak.task, []).append(leak)
    lines += [
        "| task | languages | training texts | whole texts shared | texts sharing eight words |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {task} | {len(found)} | {sum(leak.texts for leak in found):,} | {sum(leak.exact for leak in found)} "
        f"| {sum(leak.overlapping for leak in found)} |"
        for task, found in tasks.items()
    ]
    return "\n".join(lines)
