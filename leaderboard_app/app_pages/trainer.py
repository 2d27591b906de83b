"""What each kind of training batch does to the four answers: the ablation of the reference trainer."""

from __future__ import annotations

import streamlit as st

from leaderboard_app.charts.charts import dots, lines
from leaderboard_app.charts.exports import literal
from leaderboard_app.tables.board import BIAS
from leaderboard_app.tables.columns import SENTENCES, headed
from leaderboard_app.tables.training import (
    alpha_curve,
    arm_scores,
    arms_html,
    conclusion,
    difference_table,
    interval_note,
    read_experiments,
)
from leaderboard_app.widgets import address
from leaderboard_app.widgets.widgets import fold_table, number_columns, show_chart, show_table
from panglot.score.settings import SCORES

FIRST = "e5-intact"  # the ablation of an encoder with all its layers

st.title("Trainer")
st.caption("What each kind of training batch does to a model.")
experiments, refused = read_experiments()
for file, why in refused.items():
    st.warning(literal(f"{file}: {why}"))
if not experiments:
    st.info("There is no ablation yet. Run one with:")
    st.code("panglot ablate", language=None)
    st.stop()
left, right = st.columns(2)
with left:
    name = address.select(
        "Ablation", list(experiments), "experiment", FIRST if FIRST in experiments else next(iter(experiments))
    )
experiment = experiments[name]
with right:
    tasks = list(dict.fromkeys(row.task for row in experiment.means))
    tested = next((row.task for row in experiment.tests), tasks[0])
    task = address.select("Task", tasks, "on", tested)
metric = experiment.metric.get(task, "")
st.markdown(
    literal(f"{experiment.title}. Started from {experiment.base}; seeds {', '.join(map(str, experiment.seeds))}.")
)
name = f"panglot {name} {task}"

if found := conclusion(experiment, task):
    st.markdown(f"**{literal(found)}**")
scores = arm_scores(experiment, task, SCORES)
settings = [setting for setting in SCORES if setting in set(scores["measure"])]
st.html(arms_html(experiment, task, [*settings, *BIAS]))
st.caption(
    f"{literal(metric)}, means over seeds; ± is half of a 95 % bootstrap interval {interval_note(experiment)} "
    "In bold: the best."
)
fold_table(scores, f"{name} arms", "arms", number_columns(("value", "low", "high")))

st.subheader("Each setting on its own scale", anchor=False)
for place in range(0, len(settings), 2):
    for setting, half in zip(settings[place : place + 2], st.columns(2), strict=False):
        with half:
            own = scores[scores["measure"] == setting]
            title = headed(setting, f"{setting}, {metric}")
            show_chart(dots(own, "arm", "measure", title), f"{name} {setting}", f"{setting} of every arm")

curve = alpha_curve(experiment, task, SCORES)
if curve["alpha"].nunique() > 2:
    st.subheader("From cross-lingual to monolingual batches", anchor=False)
    for setting, part in zip(settings, st.columns(len(settings)), strict=True):
        with part:
            own = curve[curve["measure"] == setting]
            titles = ("cross-lingual ← alpha → monolingual", f"{setting}, {metric} ↑")
            about = f"{setting} over alpha, the share of monolingual batches"
            show_chart(lines(own, "alpha", "value", "measure", titles, False), f"{name} {setting} alpha", about)

given = dict.fromkeys(measure for row in experiment.means if row.task == task for measure in row.means)
biases = [measure for measure in given if measure in SENTENCES and measure not in SCORES]
if biases:
    st.subheader("Bias", anchor=False)
    spelt = {name: name.replace("_", " ") for name in biases}
    measure = address.segments("Measure", biases, "measure", biases[0], named=spelt)
    st.caption(literal(SENTENCES[measure]))
    measured = arm_scores(experiment, task, [measure])
    show_chart(
        dots(measured, "arm", "measure", headed(measure, spelt[measure])),
        f"{name} {measure}",
        f"{measure} of every arm.",
    )

differences = difference_table(experiment, task)
if not differences.empty:
    st.subheader("Differences between arms", anchor=False)
    show_table(
        differences,
        f"{name} differences",
        "differences",
        number_columns(("p",)) | number_columns(("difference", "low", "high", "detectable"), of="difference"),
    )
    test = (
        "t test with the error of clusters of questions and of seeds, Holm-corrected over the ablation. detectable: "
        "the smallest difference that its strictest test would find with a probability of .8."
        if "detectable" in differences
        else "paired permutation test over parallel questions, Holm-corrected over the ablation."
    )
    st.caption(
        f"difference: other − one, of means over seeds. p: {test} "
        "agreeing: seeds whose own difference has the same sign."
    )
