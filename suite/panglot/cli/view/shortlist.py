"""A short list of models in the terminal and as JSON."""

from __future__ import annotations

import math
import shlex
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from panglot.cli.view.tables import FoldingTable, prose
from panglot.data.image import IMAGES
from panglot.interop.field import Reported
from panglot.interop.shortlist import (
    DIRECTIONS,
    Choice,
    Interval,
    Shortlist,
    Wishes,
    called,
    is_closed,
    options_of,
)
from panglot.languages import language_name, parse_language
from panglot.numbers import NOTHING, count, interval, listed, short

LONGEST = 34
"""Characters of a model's name in the table; the JSON has all of it."""

LEGEND = (
    "95 % intervals over languages (for fewer than five, with those that models score most like them), not over "
    "queries. behind: how far below the best, with its interval; ≈ if that contains 0. weakest: the lowest of the "
    "chosen scores. length: tokens read."
)


def shortlist_json(task: str, metric: str, wishes: Wishes, found: Shortlist, top: int) -> dict[str, Any]:
    """The short list as plain data."""
    return {
        "task": task,
        "metric": metric,
        "languages": list(wishes.languages),
        "direction": wishes.direction,
        "models": [_choice(choice) for choice in found.choices[:top]],
        "models_in_all": len(found.choices),
        "excluded": found.excluded,
        "incomplete": found.incomplete,
        "best_of_all": found.best_of_all.model if found.best_of_all else None,
        "best_of_all_ahead": _ends(found.price) if found.price else None,
        "smallest_tied": found.smallest_tied.model.model if found.smallest_tied else None,
        "check": check_command(found.first_to_run, wishes) if found.first_to_run else None,
    }


def shortlist_view(task: str, metric: str, wishes: Wishes, found: Shortlist, top: int) -> RenderableType:
    """The short list as a table, with what each model gives up, and the command that checks the first."""
    spoken = listed([language_name(language) for language in wishes.languages])
    title = Text(f"{spoken}: {DIRECTIONS[wishes.direction]}", style="bold")
    about = prose(f"{metric} on {task}. {_left(found)}", "")
    if not found.choices:
        return Group(title, about, prose("No model meets these limits. Relax one.", ""))
    table = FoldingTable()
    table.add_column("model", no_wrap=True)
    for heading in (metric, "behind", "weakest", "size", "length", "licence"):
        table.add_column(heading, justify="left" if heading == "licence" else "right", no_wrap=True)
    for choice in found.choices[:top]:
        table.add_row(*_row(choice))
    lines: list[RenderableType] = [title, about, table, prose(LEGEND)]
    smallest = found.smallest_tied
    if smallest and smallest is not found.choices[0]:
        named = f"{called(smallest.model)} ({_size(smallest)})"
        lines.append(prose(f"Smallest that is not clearly worse than the best: {named}.", ""))
    if found.best_of_all and found.price:
        ends = interval(found.price.low, found.price.high, _lack)
        lines.append(
            prose(
                f"Without the limits, {called(found.best_of_all)} would be {short(found.price.value)} ({ends}) better.",
                "",
            )
        )
    lines.extend(prose(advice, "") for advice in how_to_check(found))
    if found.first_to_run:
        lines.append(Text(check_command(found.first_to_run, wishes), style="bold"))
    return Group(*lines)


def how_to_check(found: Shortlist) -> list[str]:
    """How to measure models of the list on one's own data, in sentences; the last leads to the command, if any."""
    first, runs = found.choices[0], found.first_to_run
    if runs is first:
        return ["Check it on your own data:"]
    other = _why_not(first.model)
    return [other, f"Check {called(runs.model)}, the best that can be run, on your own data:"] if runs else [other]


def _why_not(model: Reported) -> str:
    """Why no command is suggested that runs a model."""
    name = called(model)
    if is_closed(model):
        return (
            f"The weights of {name} are closed. If its provider has an OpenAI-compatible endpoint, measure it "
            "on your own data as openai:MODEL@https://HOST/v1."
        )
    if options_of(model) is None:
        return f"{name} has settings that no options repeat, such as texts that debiasing was fitted on."
    return (
        f"{name} is neither built in nor a model of the Hub. Running it can run code or send texts to a host: do so "
        "only if you trust where its result comes from."
    )


def check_command(choice: Choice, wishes: Wishes) -> str:
    """The command that measures the model on one's own data, in all of its languages unless some are wished for."""
    codes = [parsed.code if (parsed := parse_language(name)) else name for name in wishes.languages]
    languages = ",".join(dict.fromkeys(codes))
    # Whoever submits a result chooses its name: quoted, it is one word of the command, whatever it holds.
    chosen = ["--languages", languages] if languages else []
    own = "./images.toml" if IMAGES in choice.weakest else "./pairs.csv"
    options = options_of(choice.model) or []
    return shlex.join(["panglot", "run", choice.model.model, "--tasks", own, *chosen, *options])


def _row(choice: Choice) -> list[Text]:
    facts = choice.model.facts
    name, (revision, _, settings) = choice.model.model.rpartition("/")[2], choice.model.revision.partition("+")
    seen = f"{facts.get('trust', 'reported')}" + (", trained on it" if facts.get("training") == "trained" else "")
    if "trust" in facts:
        name = f"{name}@{revision}"
        seen = f"{settings}\n{seen}" if settings else seen
    model = Text(_cut(name)).append("".join(f"\n{_cut(line)}" for line in seen.split("\n")), "dim")
    behind = Text("best" if choice.behind.value == 0 else "≈" if choice.tied else short(choice.behind.value))
    behind.append(f"\n{interval(choice.behind.low, choice.behind.high, _lack)}" if choice.behind.value else "", "dim")
    score = Text(short(choice.score.value)).append(f"\n{interval(choice.score.low, choice.score.high)}", "dim")
    weakest = Text(short(choice.weakest_score)).append(
        "\n" + "→".join("images" if end == IMAGES else end for end in dict.fromkeys(choice.weakest)), "dim"
    )
    length = facts.get("max_length")
    licence = str(facts.get("licence") or "unknown")
    return [
        model,
        score,
        behind,
        weakest,
        Text(_size(choice)),
        Text(f"{length:,}" if length else NOTHING),
        Text(licence if len(licence) <= 12 else "other"),
    ]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _lack(value: float) -> str:
    return short(value) if value >= 0 else f"−{short(-value)}"


def _size(choice: Choice) -> str:
    parameters = choice.model.facts.get("parameters")
    if not parameters:
        return NOTHING
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"


def _left(found: Shortlist) -> str:
    parts = [f"{count(len(found.choices), 'model')} to choose from"]
    if found.excluded:
        parts.append(f"{found.excluded:,} beyond a limit, or of unknown size")
    if found.incomplete:
        parts.append(f"{found.incomplete:,} without these languages")
    return f"{'; '.join(parts)}."


def _choice(choice: Choice) -> dict[str, Any]:
    facts = choice.model.facts
    return {
        "model": choice.model.model,
        "revision": choice.model.revision,
        "trust": facts.get("trust", "reported"),
        "score": _ends(choice.score),
        "behind": _ends(choice.behind),
        "tied": choice.tied,
        "weakest": {"query": choice.weakest[0], "candidate": choice.weakest[1], "score": choice.weakest_score},
        **{
            name: facts.get(name)
            for name in ("parameters", "dimension", "max_length", "licence", "weights", "training")
        },
    }


def _ends(found: Interval) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 10) for value in found]
