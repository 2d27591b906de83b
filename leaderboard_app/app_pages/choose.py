"""Choose a model: my languages, my direction, what I can run; and the command that checks it on my own data."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from leaderboard_app import address
from leaderboard_app.exports import literal
from leaderboard_app.field import Scored, languages_of
from leaderboard_app.field_store import field_of, scored_on
from leaderboard_app.filtering import SIZES
from leaderboard_app.index import Index
from leaderboard_app.pickers import KNOWN, counts_of, open_board, task_label, task_pixels
from leaderboard_app.widgets import COLUMN, number_columns, show_table
from panglot.data.image import IMAGES
from panglot.interop.field import METRICS
from panglot.languages import language_label, language_name
from panglot.score.pivot import english_among
from panglot.score.shortlist import ALL_WAYS, DIRECTIONS, WITHIN, Candidate, Choice, Wish, shortlist

MOST = 15
LENGTHS = {"any": None, "512": 512, "2,048": 2048, "8,192": 8192, "32,768": 32768}
"""Tokens that a model must read."""


def candidates_of(models: list[Scored]) -> list[Candidate]:
    """The models of a task, each under a name of its own; `id` tells them apart in the table."""
    return [
        Candidate(model.name, model.cells, {**model.facts, "trust": model.trust, "id": model.id}) for model in models
    ]


def pick_wish(languages: list[str]) -> Wish:
    """What a reader asks for."""
    chosen = address.select_many(
        "My languages", languages, "languages", format_func=language_label, placeholder="all languages"
    )
    ways = list(DIRECTIONS) if english_among(languages) else [WITHIN]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        direction = address.segments("Direction", ways, "direction", WITHIN)
        with st.container(width=150):
            size = address.select("Parameters, at most", list(SIZES), "size", "any", fixed=True)
        with st.container(width=150):
            length = address.select("Reads tokens, at least", list(LENGTHS), "length", "any", fixed=True)
    with st.container(horizontal=True):
        licence = address.toggle("Open licence", "licence")
        weights = address.toggle("Open weights", "weights")
        images = address.toggle("Images, too", "images")
    st.caption(DIRECTIONS[direction] + " What a model does not state counts as not met.")
    modality = "image" if images else ""
    wish = Wish(tuple(chosen or languages), direction, SIZES[size], licence, weights, LENGTHS[length], modality)
    return wish if direction != ALL_WAYS or english_among(languages) else wish._replace(direction=WITHIN)


def table_of(choices: list[Choice]) -> pd.DataFrame:
    """One row a model of the list."""
    rows = [
        {
            "model": choice.candidate.name,
            "mean": choice.mean,
            "worst language": language_name(min(choice.by_language, key=lambda code: choice.by_language[code])),
            "low": choice.low,
            "high": choice.high,
            "behind the first": choice.behind,
            "gives up most in": language_name(choice.gives_up) if choice.gives_up else "",
            "parameters": choice.candidate.facts.get("parameters"),
            "max_length": choice.candidate.facts.get("max_length"),
            "licence": choice.candidate.facts.get("licence") or "",
            "trust": choice.candidate.facts["trust"],
            "id": choice.candidate.facts["id"],
        }
        for choice in choices
    ]
    return pd.DataFrame(rows).astype({"parameters": "Int64", "max_length": "Int64"})


def show_choices(choices: list[Choice], task: str, metric: str, models: list[Scored]) -> None:
    """The list, and how to check its first model."""
    best = choices[0]
    st.markdown(
        f"**{literal(best.candidate.name)}** has the highest mean, {best.mean:.3f} "
        f"(from {best.low:.3f} to {best.high:.3f} over {len(best.by_language)} languages)."
    )
    config = number_columns(("mean", "low", "high", "behind the first"), "mono") | {
        "model": COLUMN.TextColumn("model", width=260),
        "parameters": COLUMN.NumberColumn("parameters", format="compact", width=85),
        "max_length": COLUMN.NumberColumn("max tokens", format="%d", width=85),
    }
    table = table_of(choices)
    show_table(table, f"panglot choice {task} {metric}", "choices", config, [name for name in table if name != "id"])
    st.caption(
        "low and high: the worst and the best of the chosen languages. behind the first: what a model gives up in the "
        "mean, and the language in which it gives up most. Reported scores come without evidence."
    )
    identity = next(model.identity for model in models if model.id == best.candidate.facts["id"])
    if "/" in identity:
        st.write("Check it on your own questions and passages:")
        st.code(f"panglot run {shlex.quote(identity)} --tasks my-data", language=None, wrap_lines=True)


def main() -> None:
    """The page."""
    index: Index = open_board(
        "Choose a model", "The models that do best in your languages, among those that you can run."
    )
    counts, reported = counts_of(index), field_of(index).models()
    tasks = [name for name in KNOWN if name in reported and IMAGES not in KNOWN[name].languages]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=task_pixels()):
            task = address.select("Task", tasks, "on", tasks[0], format_func=lambda name: task_label(name, counts))
        with st.container(width=120):
            metric = address.select("Metric", list(METRICS), "by", next(iter(METRICS)))
    models = scored_on(index, task, metric)
    languages = languages_of(models, task)
    wish = pick_wish(languages)
    choices = shortlist(candidates_of(models), wish, languages, MOST)
    if choices:
        show_choices(choices, task, metric, models)
    else:
        st.info("No model meets all of this. Drop a condition or a language.")


main()
