"""The card of a trained model: Markdown with the front matter of the Hub, without local paths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from panglot.files import write_whole
from panglot.numbers import percent
from panglot.train.recipes.recipe import Recipe
from panglot.train.run.record import LeakRecord, TrainingRecord

if TYPE_CHECKING:
    from panglot.results.result_record import ResultRecord
    from panglot.score.bootstrap import Score

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


def write_card(
    folder: Path,
    recipe: Recipe,
    training: TrainingRecord,
    results: Sequence[ResultRecord] = (),
    model_index: str = "",
) -> None:
    """Write the model card to the model's folder; see `model_card`."""
    text = model_card(recipe.public, training, results, model_index)
    write_whole(folder / "README.md", lambda path: path.write_text(text, encoding="utf-8"))


def model_card(
    recipe: Recipe, training: TrainingRecord, results: Sequence[ResultRecord] = (), model_index: str = ""
) -> str:
    """The card: front matter of the Hub, usage, description, scores, data, leak check and the whole recipe.

    :param recipe: without local paths; see `Recipe.public`.
    :param model_index: the results as YAML for the front matter, from `panglot.interop.mteb_export.model_index`.
    """
    parts = [
        _front_matter(recipe, model_index),
        f"# {recipe.name}",
        _sentence(recipe, training),
        f"```python\n{_usage(recipe)}\n```",
        *([] if recipe.licence else ["No licence is stated: set `licence` in the recipe."]),
        *(["## Scores", _scores(results)] if results else []),
        "## Training data",
        _data(recipe, training),
        "## Leak check",
        _leaks(training),
        "## Recipe",
        f"Digest `{training.recipe}`. The same recipe, data and versions give the same model.",
        f"```json\n{recipe.model_dump_json(indent=1)}\n```",
        "![Loss curves](curves.png)",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(recipe: Recipe, model_index: str) -> str:
    """Metadata in YAML, with strings quoted as in JSON."""
    bases = (recipe.text.base, recipe.image and recipe.image.base)
    fields: dict[str, str | Sequence[str] | None] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "license": recipe.licence,
        "base_model": [base for base in bases if base and _on_hub(base)],
        "datasets": [name for data in (*recipe.data, *recipe.images) if (name := data.source) and _on_hub(name)],
        "language": recipe.languages,
        "tags": ["sentence-transformers", "sentence-similarity", "feature-extraction", "multilingual", "panglot"],
    }
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items() if value]
    return "\n".join(["---", *lines, *model_index.splitlines(), "---"])


def _on_hub(name: str) -> bool:
    """Whether a name has the form of a Hub repository; local paths are only names by now."""
    return name.count("/") == 1 and not name.startswith((".", "/"))


def _usage(recipe: Recipe) -> str:
    """Three lines that load and use the model."""
    return (
        "from sentence_transformers import SentenceTransformer\n"
        f"model = SentenceTransformer({json.dumps(recipe.name)})\n"
        'scores = model.similarity(model.encode_query(["a query"]), model.encode_document(["a passage", "another"]))'
    )


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
            f"{percent(training.best_validation)} of FLORES sentences."
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


def _data(recipe: Recipe, training: TrainingRecord) -> str:
    own = {data.name: data.source for data in (*recipe.data, *recipe.images) if data.source}
    sources = {**LICENCES, **{name: source if _on_hub(source) else f"own: {source}" for name, source in own.items()}}
    lines = ["| set | monolingual pairs | cross-lingual pairs | image pairs | sources |", "|---|---|---|---|---|"]
    lines += [
        f"| {found.name} | {found.same_language:,} | {found.crossing:,} | {found.with_image:,} "
        f"| {sources.get(found.name, '–')} |"
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
