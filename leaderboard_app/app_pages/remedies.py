"""What would help one model, remedy by remedy and language by language; and which models gain."""

from __future__ import annotations

import streamlit as st

from leaderboard_app.charts.charts import dots
from leaderboard_app.charts.exports import literal
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.index import Index
from leaderboard_app.store.store import answers_of, is_answered, result_of
from leaderboard_app.tables.board import ids_of, names_of
from leaderboard_app.tables.columns import headed
from leaderboard_app.tables.remedies import (
    INTERLEAVE,
    MEASURES,
    Answers,
    Rung,
    debias_of,
    gains,
    helps_most,
    is_unchanged,
    ladder,
    ladder_table,
    language_table,
    measures_of,
    needs_table,
    policies_for,
    unanswered,
    worth_a_look,
)
from leaderboard_app.widgets import address
from leaderboard_app.widgets.in_browser import on_phone
from leaderboard_app.widgets.notices import failures_shown, notices
from leaderboard_app.widgets.pickers import entries_on, open_board, pick_model, pick_task
from leaderboard_app.widgets.widgets import fold_table, number_columns, show_chart, text_table
from panglot.data.image import IMAGES
from panglot.remedies.whatif import POOL
from panglot.score.metrics import NAMES

MOST_DRAWN = 40
"""Models in the chart of gains."""
MOST_COMPUTED = 5
"""Models for which a page computes the gains unasked; it takes a second or more for each."""


def answered(index: Index, entries: list[Entry]) -> list[Entry]:
    """The entries whose answers are known by now, or all of them where few are left or a reader asks for them."""
    known = [entry for entry in entries if is_answered(index, entry, policies_for(entry.languages))]
    left = len(entries) - len(known)
    if left > MOST_COMPUTED and not address.toggle(
        f"Compute for {left:,} more models, a second or more for each", "all"
    ):
        return known
    return entries


def rungs_of(index: Index, entry: Entry, entries: list[Entry]) -> list[Rung]:
    """The remedies of a model: policies on its vectors as they are, and what was submitted with languages taken out.

    Whichever of these configurations is picked, the ladder is that of the model.
    """
    same = [other for other in entries if other.identity == entry.identity]
    models = {other: result_of(index, other).model for other in same}
    *_, settings = debias_of(models[entry].settings)
    policies = policies_for(entry.languages)
    base: Answers = {}
    variants: dict[tuple[str, str], Answers] = {}
    for other, model in models.items():
        method, fit, others = debias_of(model.settings)
        if (model.revision, others) == (models[entry].revision, settings):
            answers = answers_of(index, other, policies)
            if method:
                variants[method, fit] = answers
            else:
                base = answers
    if not base:
        st.info(
            "Only versions of this model with languages taken out were submitted. Submit the model as it is to see "
            "what each remedy changes."
        )
        return []
    for name, why in unanswered(base).items():
        st.caption(literal(f"{name}: {why}"))
    return ladder(base, variants)


def show_ladder(rungs: list[Rung], measure: str, name: str) -> None:
    """Each remedy beside the model as measured, then what each needs, then every query language."""
    table, title = (
        ladder_table(rungs, measure),
        headed("score" if measure in NAMES else measure, measure.replace("_", " ")),
    )
    names = [rung.remedy for rung in rungs]
    if found := helps_most(rungs, measure):
        st.markdown(f"**{literal(found)}**")
    reference = (rungs[0].remedy, float(table["value"].iloc[0]))
    show_chart(
        dots(table.assign(measure=measure), "remedy", "measure", title, reference),
        f"{name} {measure}",
        f"{measure} under each remedy",
    )
    st.caption(
        f"{literal(MEASURES[measure])} With 95 % intervals; the dashed line is the model without any remedy."
        + " only-own asks an easier question than the others: its pool is smaller." * ("only-own" in names)
    )
    fold_table(table, f"{name} {measure}", "rungs", number_columns(["value", "difference", "low", "high"]))
    st.subheader("What each remedy needs", anchor=False)
    text_table(needs_table(rungs))
    st.subheader("Every query language", anchor=False)
    wanted = [shown for shown in names if shown in (names[0], INTERLEAVE)]
    chosen = address.select_many("Remedies", names, "remedy", wanted)
    languages = language_table([rung for rung in rungs if rung.remedy in (chosen or wanted)], measure)
    show_chart(dots(languages, "language", "remedy", title), f"{name} languages", f"{measure} by query language")
    fold_table(languages, f"{name} languages", "languages", number_columns(["value", "low", "high"]))


def show_gains(index: Index, entries: list[Entry], measure: str, task: str) -> None:
    """How much every model gains or loses by one policy, on its vectors as they are."""
    verified = [entry for entry in entries if is_unchanged(entry)]  # the others are on the ladders
    if not verified:
        return
    st.subheader("Who gains", anchor=False)
    policies = [name for name in policies_for(verified[0].languages) if name != POOL]
    policy = address.segments("Policy", policies, "policy", INTERLEAVE)
    answers = {}
    names = dict(zip(verified, names_of(verified), strict=True))
    with st.spinner("Serving the same index in other ways …"):
        for entry in answered(index, verified):
            with failures_shown(entry):
                answers[names[entry]] = answers_of(index, entry, policies_for(entry.languages))
    table = gains(answers, policy, measure)
    if table.empty:
        if answers:
            st.info(f"No model on this task can be served by {literal(policy)}.")
        return
    drawn = table.head(MOST_DRAWN).assign(policy=policy)
    title = f"difference in {measure}"
    floors = [name for entry, name in names.items() if entry.floor]
    chart = dots(drawn, "model", "policy", title, ("no change", 0.0), floors, on_phone())
    show_chart(chart, f"{task} {policy}", title)
    st.caption(
        f"{literal(policy)} minus the model as measured, with 95 % intervals. p: paired sign-flip test over clusters "
        "of questions, Holm-corrected over the policies."
    )
    table["id"] = table["model"].map(ids_of(verified))
    fold_table(
        table, f"{task} {policy}", "gains", number_columns([name for name in table if name not in ("model", "id")])
    )


def main() -> None:
    """The page."""
    index = open_board("Remedies", "What would help a model against its bias, without training.")
    task = pick_task(index)
    notices(index, task)
    entries = entries_on(index, task)
    verified = [entry for entry in entries if entry.verified]
    if not verified:
        st.info("No model on this task has verified evidence.")
        return
    has_images = IMAGES in verified[0].languages
    if has_images:
        st.info(
            "The pool has images, which have no language, so it cannot be served in other ways. Versions of a model "
            "with languages and images taken out are shown where they were submitted."
        )
    entry = pick_model(index, verified, first=worth_a_look(verified))
    rungs: list[Rung] = []
    with failures_shown(entry):
        rungs = rungs_of(index, entry, verified)
    measures = measures_of(rungs)
    spelt = {name: name.replace("_", " ") for name in measures}
    measure = address.segments("Measure", measures, "measure", "map", named=spelt)
    with failures_shown(entry):
        if rungs:
            show_ladder(rungs, measure, f"{entry.folder} {task}")
    if not has_images:
        show_gains(index, verified, measure, task)


main()
