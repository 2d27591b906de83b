"""Choose a model: my languages, my direction, what I can run; the same list as `panglot shortlist`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from leaderboard_app.charts.exports import literal
from leaderboard_app.store.field_store import field_of, scored_on
from leaderboard_app.store.store import submissions
from leaderboard_app.tables.field import Scored, entries_of, languages_of, link_of
from leaderboard_app.tables.formats import plus_minus
from leaderboard_app.widgets import address
from leaderboard_app.widgets.filtering import SIZES
from leaderboard_app.widgets.notices import tell_imitations
from leaderboard_app.widgets.pickers import KNOWN, counts_of, open_board, task_label, task_pixels
from leaderboard_app.widgets.widgets import COLUMN, number_columns, show_table
from panglot.cli.view.shortlist import check_command, how_to_check
from panglot.data.image import IMAGES
from panglot.interop.field import METRICS, Reported
from panglot.interop.shortlist import DIRECTIONS, Choice, Direction, Interval, Shortlist, Wishes, called, shortlist
from panglot.languages import language_label, language_name
from panglot.numbers import count
from panglot.trust.levels import HOLDS

MOST = 10
"""Models that are shown, as many as the command lists."""
LENGTHS = {"any": None, "512": 512, "2,048": 2048, "8,192": 8192, "32,768": 32768}
"""Tokens that a model must read."""
WAYS: dict[Direction, str] = {"within": "within a language", "english": "English questions", "all": "all pairs"}


def pick_wishes(languages: list[str], divided: bool, within: str) -> Wishes:
    """What a reader asks for; where a task has no cells across languages, there is one direction.

    :param within: what its queries and candidates are, in one language
    """
    chosen = address.select_many(
        "My languages", languages, "languages", format_func=language_label, placeholder="all languages"
    )
    ways: list[Direction] = ["within"] if divided else list(DIRECTIONS)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        direction = address.segments("Direction", ways, "direction", "within", named=WAYS)
        size = SIZES[address.segments("Parameters, at most", list(SIZES), "size", "any")]
        length = LENGTHS[address.segments("Context length, at least", list(LENGTHS), "length", "any")]
    with st.container(horizontal=True):
        licence = address.toggle("Open licence", "licence")
        weights = address.toggle("Open weights", "weights")
    meaning = within if direction == "within" else DIRECTIONS[direction]
    st.caption(f"{meaning[0].upper()}{meaning[1:]}. A model of unknown size or length fails a limit on it.")
    return Wishes(tuple(chosen or languages), direction, round(size) if size else None, licence, weights, length)


def command_of(task: str, metric: str, wishes: Wishes, measured: Sequence[Path]) -> str:
    """What makes the same list in a terminal; `measured` are the folders of the models measured here."""
    parts = ["panglot", "shortlist", *map(str, measured), "--languages", ",".join(wishes.languages)]
    parts += ["--task", task, "--metric", metric, "--direction", wishes.direction]
    parts += ["--max-parameters", str(wishes.max_parameters)] if wishes.max_parameters else []
    parts += ["--licence", "open"] if wishes.open_licence else []
    parts += ["--weights", "open"] if wishes.open_weights else []
    parts += ["--min-length", str(wishes.min_length)] if wishes.min_length else []
    return shlex.join(parts)


def table_of(choices: tuple[Choice, ...]) -> pd.DataFrame:
    """One row a model of the list; numbers and their intervals in columns of their own for the download."""
    rows = [
        {
            "model": choice.model.facts["shown"],
            "score": choice.score.value,
            "score low": choice.score.low,
            "score high": choice.score.high,
            "behind the best": choice.behind.value,
            "behind the best low": choice.behind.low,
            "behind the best high": choice.behind.high,
            "as good as the best": choice is choices[0] or choice.tied,
            "weakest": choice.weakest_score,
            "weakest in": " → ".join(map(language_name, dict.fromkeys(choice.weakest))),
            "parameters": choice.model.facts.get("parameters"),
            "max_length": choice.model.facts.get("max_length"),
            "texts per second": choice.model.facts.get("texts_per_second"),
            "licence": _licence(str(choice.model.facts.get("licence") or "")),
            "trust": choice.model.facts.get("trust") or "reported",
            "id": f"{choice.model.model}@{choice.model.revision}",
            "leads to": choice.model.facts["leads to"],
        }
        for choice in choices
    ]
    table = pd.DataFrame(rows).astype({"parameters": "Int64", "max_length": "Int64", "texts per second": float})
    return table if table["texts per second"].any() else table.drop(columns="texts per second")


def _licence(stated: str) -> str:
    """A licence as a column has room for it: one that is stated by an address is the model's own."""
    return "own" if "://" in stated else stated


def said_of(found: Shortlist) -> str:
    """The answer in words."""
    best = found.choices[0]
    words = f"**{literal(called(best.model))}** scores highest: {literal(_words(best.score))}."
    smallest = found.smallest_tied
    if smallest and smallest is not best:
        words += f" The smallest that is not clearly worse is **{literal(called(smallest.model))}**."
    if found.best_of_all and found.price:
        words += f" Without the limits, {literal(called(found.best_of_all))} is {literal(_words(found.price))} better."
    return words


def show_choices(found: Shortlist, task: str, metric: str) -> None:
    """The list, and what it leaves out."""
    st.markdown(said_of(found))
    config: dict[str, object] = number_columns(("weakest",), "mono") | {
        "score": COLUMN.NumberColumn(metric, width=110),
        "behind the best": COLUMN.NumberColumn("behind the best ↓", width=130),
        "as good as the best": COLUMN.CheckboxColumn(width=130, help="Whether the interval of what it lacks holds 0."),
        "parameters": COLUMN.NumberColumn("parameters", format="compact", width=85),
        "max_length": COLUMN.NumberColumn("max tokens", format="localized", width=85),
        "texts per second": COLUMN.NumberColumn(format="%.0f", width=120),
    }
    table = table_of(found.choices[:MOST])
    order = [name for name in table if name not in ("id", "leads to") and not name.endswith((" low", " high"))]
    show_table(table, f"panglot choice {task} {metric}", "choices", config, order)
    st.caption(
        f"{count(len(found.choices), 'model')} to choose from; {found.excluded:,} beyond a limit, {found.incomplete:,} "
        "without these languages. ± is half of a 95 % interval over languages (for fewer than five, with those that "
        "models score most like them), not over queries."
    )


def candidates_of(models: list[Scored], task: str) -> list[Reported]:
    """The models of a task as the suite has them."""
    return [
        Reported(
            model.identity,
            str(model.facts["revision"]),
            dict(model.cells),
            {**model.facts, "trust": model.trust, "shown": model.name, "leads to": link_of(model, task)},
        )
        for model in models
    ]


def main() -> None:
    """The page."""
    index = open_board("Choose a model", "The best models in your languages.")
    counts, reported = counts_of(index), field_of(index).models()
    tasks: dict[str, list[str]] = {}
    for name in filter(reported.__contains__, KNOWN):
        tasks.setdefault("images" if IMAGES in KNOWN[name].languages else "texts", []).append(name)
    with st.container(horizontal=True):
        sought = address.segments("Find", sorted(tasks, reverse=True), "find", "texts")
        with st.container(width=task_pixels()):
            task = address.select(
                "Task", tasks[sought], "on", tasks[sought][0], format_func=lambda name: task_label(name, counts)
            )
        with st.container(width=120):
            metric = address.select("Metric", list(METRICS), "by", next(iter(METRICS)))
    # Anybody can hand in scores under any name: what the page recommends was verified, or is in the field.
    models = [model for model in scored_on(index, task, metric) if model.is_reported or model.trust in HOLDS]
    across = any(candidate not in (query, IMAGES) for model in models[:1] for query, candidate in model.cells)
    languages = languages_of(models, task)
    within = DIRECTIONS["within"] if sought == "texts" else "captions in your languages find images"
    wishes = pick_wishes(languages, not across, within)
    found = shortlist(candidates_of(models, task), KNOWN[task].languages, wishes)
    tell_imitations(entry for entry in entries_of(index.entries, task) if entry.trust in HOLDS)
    if found.choices:
        show_choices(found, task, metric)
        for advice in how_to_check(found):
            st.markdown(literal(advice))
        if found.first_to_run:
            own = wishes if len(wishes.languages) < len(languages) else replace(wishes, languages=())
            st.code(check_command(found.first_to_run, own), language=None, wrap_lines=True)
    else:
        st.info("No model meets these limits. Relax one, or drop a language.")
    if len(wishes.languages) == len(languages):  # more names than anybody would copy
        st.caption("Choose your languages to see the command that makes the same list in a terminal.")
        return
    st.write("The same list in a terminal:")
    measured = [submissions() / str(model.facts["folder"]) for model in models if not model.is_reported]
    st.code(command_of(task, metric, wishes, measured), language=None, wrap_lines=True)


def _words(found: Interval) -> str:
    return plus_minus(found.value, found.low, found.high)


main()
