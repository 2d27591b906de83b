"""Make the tables and the sentences with numbers of docs/experiments.md from leaderboard_app/experiments/.

python -m docs.experiments_tables
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from docs import remedies_tables as remedies
from docs.experiments_tests import (
    EQUAL_STEPS,
    IMAGE_SIDE,
    INTACT,
    LAYERS,
    SEEDS,
    STATIC,
    Shift,
    known,
    named,
    tests,
)
from docs.tables import as_table, with_tables
from panglot.results.result_record import read_result_record
from panglot.train.ablation.errors import ALPHA

PAGE = Path(__file__).with_name("experiments.md")
SUBMISSIONS = Path(__file__).parents[1] / "submissions"
LOOKALIKES = Path(__file__).with_name("experiments") / "lookalikes.json"
IMAGE_TASKS = ("emoji-t2i", "storybooks-t2i")
COLUMNS = {"mono": "mono", "cross": "cross", "multi": "multi", "rank_distance": "rank distance"}
CLAIMS = (
    ("X-Y costs quality within languages", "mono", "cross", "mono", -1),
    ("X-Y gains across languages", "mono", "cross", "cross", 1),
    ("X-Y gains in the pool", "mono", "cross", "multi", 1),
    ("X-Y favours the query's language less", "mono", "cross", "rank_distance", -1),
    ("hybrid gains within languages over X-X-mono", "mono", "hybrid", "mono", 1),
    ("hybrid gains across languages over X-Y", "cross", "hybrid", "cross", 1),
    ("hybrid gains in the pool over X-X-mono", "mono", "hybrid", "multi", 1),
    ("hybrid gains in the pool over X-Y", "cross", "hybrid", "multi", 1),
    ("hybrid favours the query's language less than X-Y", "cross", "hybrid", "rank_distance", -1),
    ("LAReQA: batches that mix languages lose in the pool", "mono", "mixed", "multi", -1),
)
"""Claims of arXiv 2408.10536 and 2004.05484: text, two arms, measure, sign of the second minus the first."""


def answer() -> list[str]:
    """The answer in five sentences."""
    encoders = {
        "an intact encoder": named(INTACT),
        "static encoders": named(SEEDS),
        "two layers of a transformer": named(LAYERS),
    }

    def shown(measure: str, other: str, *ones: str) -> str:
        *first, last = (
            f"{_described(next(shift for shift in found if _is(shift, measure, other, ones)))} in {encoder}"
            for encoder, found in encoders.items()
        )
        return f"{', '.join(first)} and {last}"

    def intact(measure: str, one: str) -> str:
        return _described(next(shift for shift in named(INTACT) if _is(shift, measure, "hybrid", [one])))

    (emoji,) = tests(SEEDS, "emoji-t2i", [("shuffled", "image", "multi")])
    return [
        "1. Image-text batches add nothing to text retrieval that these experiments can tell from 0: over their text "
        f"steps alone, they change MAP in the pool of all languages by {shown('multi', 'image', *EQUAL_STEPS)}.",
        "2. Nor can it be told whether it matters to text retrieval that the images are the right ones: over wrong "
        f"images, that score changes by {shown('multi', 'image', 'shuffled')}.",
        "3. What image-text batches do give static encoders is a way to find images: over wrong images, nDCG@10 of "
        f"captions that look for unseen emoji changes by {_described(emoji)}; this error is over seeds alone.",
        "4. In the intact encoder, hybrid batches gain in the pool over monolingual ones, "
        f"{intact('multi', 'mono')}, without a loss within languages that can be told from 0, "
        f"{intact('mono', 'mono')}; their differences from cross-lingual ones cannot be told from 0 after Holm's "
        f"correction: {intact('mono', 'cross')} within languages and {intact('multi', 'cross')} in the pool.",
        "5. Nor can what hybrid batches gain over the same encoder without training, its language means subtracted: "
        f"{intact('multi', 'start+centre')} in the pool, {intact('mono', 'start+centre')} within languages; only "
        f"the rank distance is smaller, {intact('rank_distance', 'start+centre')}.",
    ]


def _is(shift: Shift, measure: str, other: str, ones: Sequence[str]) -> bool:
    return shift.measure == measure and shift.other == other and shift.one in ones


def _described(shift: Shift) -> str:
    places = _places(shift.measure)
    value, low, high = (_signed(number, places) for number in (shift.value, shift.low, shift.high))
    return f"{value} (95 % {low} to {high}, smallest detectable effect {_plain(shift.detectable, places)})"


def seeds_tests() -> list[str]:
    """The named tests of the static encoders with ten seeds."""
    return _tests(named(SEEDS))


def seeds_scores() -> list[str]:
    """Every arm of the static encoders with ten seeds."""
    return _scores(SEEDS, "xquad-r")


def intact_tests() -> list[str]:
    """The named tests of the intact encoder."""
    return _tests(named(INTACT))


def intact_scores() -> list[str]:
    """Every arm of the intact encoder."""
    return _scores(INTACT, "xquad-r")


def intact_trials() -> list[str]:
    """How the settings of each arm of the intact encoder fared on validation data; the chosen ones are bold."""
    found = known(INTACT)
    columns = list(dict.fromkeys(tuple(trial.settings.items()) for trial in found.trials))
    lines = []
    for arm in dict.fromkeys(trial.arm for trial in found.trials):
        own = {tuple(trial.settings.items()): trial for trial in found.trials if trial.arm == arm}
        shown = [
            f"**{_plain(own[key].validation)}**" if own[key].chosen else _plain(own[key].validation) for key in columns
        ]
        lines.append((f"`{arm}`", *shown))
    headings = (
        ", ".join(f"{name.split('.')[-1].replace('_', ' ')} {value:g}" for name, value in key) for key in columns
    )
    return as_table(("validation", *headings), lines)


def static_tests() -> list[str]:
    """The named tests of the static encoders with three seeds."""
    return _tests(named(STATIC))


def static_scores() -> list[str]:
    """Every arm of the static encoders on both tasks."""
    return [*_scores(STATIC, "xquad-r"), "", *_scores(STATIC, "mlqa-r")]


def layers_tests() -> list[str]:
    """The named tests of the two-layer transformer."""
    return _tests(named(LAYERS))


def layers_scores() -> list[str]:
    """Every arm of the two-layer transformer on both tasks."""
    return [*_scores(LAYERS, "xquad-r"), "", *_scores(LAYERS, "mlqa-r")]


def _tests(shifts: Sequence[Shift]) -> list[str]:
    headings = ("difference", "measure", "value", "95 %", "p (Holm)", "smallest detectable effect", "error over")
    return as_table(headings, map(_tests_row, shifts))


def _tests_row(shift: Shift) -> tuple[str, ...]:
    places = _places(shift.measure)
    value, low, high = (_signed(number, places) for number in (shift.value, shift.low, shift.high))
    return (
        f"`{shift.other}` − `{shift.one}`",
        COLUMNS[shift.measure],
        f"**{value}**" if shift.p < ALPHA else value,
        f"{low} to {high}",
        "< .001" if shift.p < 0.001 else _plain(shift.p),
        _plain(shift.detectable, places),
        "seeds, articles" if shift.articles else "seeds",
    )


def _scores(name: str, task: str) -> list[str]:
    found = known(name)
    titles = {arm.name: arm.title for arm in found.arms}
    rows = sorted((row for row in found.means if row.task == task), key=lambda row: list(titles).index(row.arm))
    lines = []
    for row in rows:
        cells = (_cell(row.means[measure], row.spread.get(measure), measure) for measure in COLUMNS)
        lines.append((f"`{row.arm}`", titles[row.arm], str(row.seeds), *cells))
    return as_table((remedies.TASKS[task], "what", "seeds", *COLUMNS.values()), lines)


def _cell(value: float, spread: float | None, measure: str) -> str:
    places = 0 if measure == "rank_distance" else 3
    return _plain(value, places) + ("" if spread is None else f" ± {_plain(spread, places)}")


def claims() -> list[str]:
    """The claims of two papers one by one, Holm-corrected over those of a column."""
    columns = {
        "intact, XQuAD-R": _claimed(INTACT, "xquad-r"),
        "static, XQuAD-R": _claimed(SEEDS, "xquad-r"),
        "static, MLQA-R": _claimed(STATIC, "mlqa-r"),
        "two layers, XQuAD-R": _claimed(LAYERS, "xquad-r"),
        "two layers, MLQA-R": _claimed(LAYERS, "mlqa-r"),
    }
    rows = ((text, *(found.get(text, "not run") for found in columns.values())) for text, *_ in CLAIMS)
    return as_table(("claim", *columns), rows)


def _claimed(name: str, task: str) -> dict[str, str]:
    """What an ablation says about the claims about arms that it has."""
    arms = {arm.name for arm in known(name).arms}
    asked = [claim for claim in CLAIMS if {claim[1], claim[2]} <= arms]
    shifts = tests(name, task, [(one, other, measure) for _, one, other, measure, _ in asked])
    return {text: _verdict(shift, sign) for (text, *_, sign), shift in zip(asked, shifts, strict=True)}


def _verdict(shift: Shift, sign: int) -> str:
    value = _signed(shift.value, _places(shift.measure) and 3)
    if not shift.p < ALPHA:
        return f"not shown: {value}"
    return f"holds: {value}" if shift.value * sign > 0 else f"**the opposite**: {value}"


def images() -> list[str]:
    """Text to image: nDCG@10 of every arm with images."""
    lines = [
        (_set(row.task), name, f"`{row.arm}`", _plain(value), f"{_plain(low)} to {_plain(high)}")
        for name in (INTACT, SEEDS, LAYERS)
        for row in known(name).means
        if row.task.endswith("-t2i")
        for value, low, high in (row.intervals["multi"],)
    ]
    return as_table(("images", "ablation", "arm", "nDCG@10", "95 %"), sorted(lines, key=lambda line: line[0]))


def image_side_scores() -> list[str]:
    """Text to image with each setting of the image tower: mean and standard deviation over seeds."""
    found = known(IMAGE_SIDE)
    rows = {(row.arm, row.task): row for row in found.means}
    lines = []
    for arm in found.arms:
        own = [rows[arm.name, task] for task in IMAGE_TASKS]
        cells = (_cell(row.means["multi"], row.spread.get("multi"), "multi") for row in own)
        lines.append((f"`{arm.name}`", arm.title, str(own[0].seeds), *cells))
    return as_table(("nDCG@10", "what", "seeds", *map(_set, IMAGE_TASKS)), lines)


def image_side_tests() -> list[str]:
    """The named tests of the settings of the image tower, Holm-corrected over both tasks."""
    lines = []
    for row in known(IMAGE_SIDE).tests:
        value, low, high = (_signed(number, 4) for number in (row.difference, row.low, row.high))
        shown = f"**{value}**" if row.p < ALPHA else value
        p = "< .001" if row.p < 0.001 else _plain(row.p)
        lines.append((f"`{row.other}` − `{row.one}`", _set(row.task), shown, f"{low} to {high}", p))
    return as_table(("difference", "images", "nDCG@10", "95 %", "p (Holm)"), lines)


def _set(task: str) -> str:
    return task.removesuffix("-t2i")


def lookalikes() -> list[str]:
    """Whether emoji are found because others like them were trained on."""
    found = json.loads(LOOKALIKES.read_text(encoding="utf-8"))
    rows = [
        (model, *(f"{_plain(value)} ({_plain(low)} to {_plain(high)})" for value, low, high in parts.values()))
        for model, parts in found["ndcg@10"].items()
    ]
    return [
        f"{found['lookalikes']} of {found['images']} unseen emoji have a look-alike in training: one with nearly the "
        "same outline and a word of its name, such as another heart, clock or face.",
        "",
        *as_table(("nDCG@10 (95 %)", "with a look-alike", "others"), rows),
    ]


def damage() -> list[str]:
    """What language bias is like in the intact encoder, not trained, and in the damaged ones with hybrid batches."""
    models = {
        remedies.E5: "intact, not trained",
        "static-hybrid-1": "static, hybrid",
        "transformer-hybrid-1 bf16": "two layers, hybrid",
    }
    lines = []
    for model, title in models.items():
        row, centred = remedies.variant(model, "xquad-r"), remedies.variant(model, "xquad-r", "centre", "texts")
        assert row
        assert centred
        cross, multi = row["cross"][0], row["multi"][0]
        gains = (centred["multi"][0] - multi, row["interleaved"][0] - multi)
        lines.append((title, _plain(cross), _plain(multi), f"{multi / cross:.2f}", *map(_signed, gains)))
    return as_table(("XQuAD-R", "cross", "multi", "multi / cross", "`centre`, texts", "interleaved"), lines)


def recipe_scores() -> list[str]:
    """The scores on XQuAD-R of the model that the recipe e5-hybrid gives."""
    (path,) = SUBMISSIONS.glob("e5-hybrid@*/xquad-r.json")
    found = read_result_record(path)
    shown = ", ".join(f"{name} {_plain(found.settings[name]['map'].value)}" for name in ("mono", "cross", "multi"))
    return [f"On XQuAD-R it has {shown}, and a rank distance of {_plain(found.bias['rank_distance'].value, 0)}."]


def _places(measure: str) -> int:
    return 0 if measure == "rank_distance" else 4


def _plain(value: float, places: int = 3) -> str:
    shown = f"{value:,.{places}f}"
    return shown.removeprefix("0") if places else shown


def _signed(value: float, places: int = 3) -> str:
    rounded = round(value, places) + 0.0  # no sign before zero
    return f"{'−' if rounded < 0 else '+' if rounded else ''}{_plain(abs(rounded), places)}"


TABLES = {
    function.__name__: function
    for function in (
        *(answer, intact_tests, intact_scores, intact_trials, seeds_tests, seeds_scores, static_tests, static_scores),
        *(layers_tests, layers_scores, claims, images, image_side_scores, image_side_tests, lookalikes),
        *(damage, recipe_scores),
    )
}

if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), TABLES), encoding="utf-8")
