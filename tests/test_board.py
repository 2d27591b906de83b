"""The leaderboard without a browser: its index and tables against the files, its pages as scripts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

from leaderboard_app.charts import charts, grids
from leaderboard_app.charts.exports import as_csv, as_latex, as_markdown, as_png, as_svg, literal
from leaderboard_app.index.entries import Entry
from leaderboard_app.index.evidence_store import Ranked, stored_evidence, stored_standings
from leaderboard_app.index.folder import home_of
from leaderboard_app.index.index import Index, is_current, read_index, read_scores, update
from leaderboard_app.index.score_rows import ALL
from leaderboard_app.index.verification import verify_new
from leaderboard_app.tables import board, comparison, model_tables, recompute, texts
from leaderboard_app.tables.texts import Texts, cell, read_texts, texts_table
from panglot.data.image import Image
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.load import load_model
from panglot.evaluate.run import run
from panglot.results.evidence_file import read_evidence
from panglot.results.result_record import ResultRecord, find_results, read_result_record
from panglot.score.comparison.paired import compare
from panglot.score.comparison.standings import rank
from panglot.score.summary import BIAS_NAMES
from tests.helpers.boards import path_of, verified_index
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.usefixtures("no_checks")

HERE = Path(__file__).parents[1]
COMMITTED = HERE / "submissions"


@pytest.fixture(scope="module")
def made(starter_results: Path) -> Path:
    return starter_results


@pytest.fixture(scope="module")
def index(made: Path) -> Index:
    return verified_index(made)


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """Submissions of its own for a test that changes them."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def on(index: Index, task: str) -> list[Entry]:
    return [entry for entry in index.entries if entry.task == task]


def shown_scores(index: Index, task: str, metric: str) -> pd.DataFrame:
    return read_scores(index.home, [task], [metric, *board.BIAS]).to_pandas()


def walk(index: Index, task: str, metric: str) -> Iterator[tuple[ResultRecord, str, str, dict[str, object]]]:
    """Every row of the overview in every choice of a query and a candidate language, beside its result file."""
    scores = shown_scores(index, task, metric)
    entries = [entry for entry in on(index, task) if entry.trust != "published"]
    files = {entry.folder: read_result_record(index.folder / f"{entry.id}.json") for entry in entries}
    languages = entries[0].languages
    for query in (ALL, *languages):
        for candidate in (ALL, *languages):
            table = board.overview(entries, board.values(scores, metric, board.View(query, candidate)))
            assert len(table) == len(entries)
            for row in table.to_dict("records"):
                yield files[row["folder"]], query, candidate, row


def in_the_file(result: ResultRecord, metric: str, query: str, candidate: str) -> dict[str, tuple[float, float, float]]:
    """What the overview must show, taken from the file by another way."""
    names = result.task.languages
    if query and candidate:
        score = result.pairs[metric][names.index(query)][names.index(candidate)]
        return {"mono" if query == candidate else "cross": score} if score else {}
    if not (query or candidate):
        found = {name: scores[metric] for name, scores in result.settings.items() if metric in scores}
        found |= {"balance": result.balance[metric]} if metric in result.balance else {}
        return found | {name: result.bias[name] for name in board.BIAS if name in result.bias}
    own = result.languages[query or candidate]
    if query:
        found = {name: own[name][metric] for name in ("mono", "cross", "multi") if metric in own.get(name, {})}
        return found | {name: own["bias"][name] for name in board.BIAS if name in own.get("bias", {})}
    named = {"mono": "mono", "cross": "cross_to"}
    return {name: own[stored][metric] for name, stored in named.items() if metric in own.get(stored, {})}


def check_cells(index: Index, task: str, metric: str) -> int:
    cells = 0
    for result, query, candidate, row in walk(index, task, metric):
        wanted = in_the_file(result, metric, query, candidate)
        for name in (*board.SCORES, *board.BIAS):
            there = (row[name], row[f"{name} low"], row[f"{name} high"])
            assert there == wanted[name] if name in wanted else all(map(pd.isna, there)), (query, candidate, name)
            cells += 1
    return cells


@pytest.mark.parametrize("metric", ["map", "recall@10"])
def test_overview_numbers_equal_result_files(index: Index, metric: str) -> None:
    assert check_cells(index, "starter", metric) == 12 * 12 * 3 * 6


@pytest.mark.parametrize(("task", "languages"), [("xquad-r", 11), ("mlqa-r", 7)])
def test_committed_board_numbers_equal_result_files(task: str, languages: int) -> None:
    update(COMMITTED)
    index = read_index(COMMITTED)
    measured = [entry for entry in on(index, task) if entry.trust != "published"]
    assert check_cells(index, task, "map") == (1 + languages) ** 2 * len(measured) * 6


def test_index_holds_trust_level_of_each_result(index: Index) -> None:
    assert {entry.trust for entry in on(index, "starter")} == {"recomputed"}
    assert {entry.trust for entry in on(index, "xquad-r")} == {"published"}
    assert index.waiting == 0
    assert index.refused == {}


def test_index_notices_new_changed_and_removed_results(copy: Path) -> None:
    update(copy)
    assert is_current(copy, home_of(copy))
    assert {entry.trust for entry in on(read_index(copy), "starter")} == {"not checked"}
    assert read_index(copy).waiting == 3
    shutil.rmtree(path_of(copy, "bm25").parent)
    assert not is_current(copy, home_of(copy))
    update(copy)
    assert len(on(read_index(copy), "starter")) == 2
    assert not any(name.startswith("bm25") for name in shown_scores(read_index(copy), "starter", "map")["result"])


def test_only_what_changed_is_read_and_verified_again(copy: Path) -> None:
    seen: list[tuple[str, int]] = []

    def note(label: str, total: int) -> object:
        from contextlib import nullcontext

        seen.append((label, total))
        return nullcontext(lambda done: None)

    for _ in range(2):
        update(copy, note)  # type: ignore[arg-type]
        verify_new(copy, note)  # type: ignore[arg-type]
    path_of(copy, "bm25").touch()
    update(copy, note)  # type: ignore[arg-type]
    verify_new(copy, note)  # type: ignore[arg-type]
    read, verified = "reading submissions", "verifying submissions"
    ranked = ("ranking", 1)
    assert seen == [(read, 3), (verified, 3), ranked, (verified, 0), (read, 1), (verified, 1), ranked]


def test_a_changed_result_is_not_shown(copy: Path) -> None:
    path = path_of(copy, "bm25")
    changed = path.read_text(encoding="utf-8").replace('"map": [0.', '"map": [0.9', 1)
    path.write_text(changed, encoding="utf-8")
    update(copy)
    verify_new(copy)
    index = read_index(copy)
    assert len(on(index, "starter")) == 2
    assert "was expected" in index.refused[f"{path.parent.name}/starter.json"]


def test_a_broken_file_and_a_broken_card_are_named(copy: Path) -> None:
    path_of(copy, "bm25").write_text("{", encoding="utf-8")
    path_of(copy, "use-multilingual").with_name("card.json").write_text("[]", encoding="utf-8")
    update(copy)
    index = read_index(copy)
    assert len(on(index, "starter")) == 2
    assert {file.rpartition("/")[2] for file in index.refused} == {"starter.json", "card.json"}


def test_results_on_other_content_are_left_out(copy: Path) -> None:
    path = path_of(copy, "bm25")
    result = json.loads(path.read_text(encoding="utf-8"))
    result["task"]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(result), encoding="utf-8")
    update(copy)
    index = read_index(copy)
    assert len(on(index, "starter")) == 2
    assert "other content" in index.refused[f"{path.parent.name}/starter.json"]


def test_a_damaged_index_is_built_anew(copy: Path) -> None:
    update(copy)
    (home_of(copy) / "entries.json").write_text("{}", encoding="utf-8")
    update(copy)
    assert len(on(read_index(copy), "starter")) == 3


def test_stored_evidence_equals_evidence_files(made: Path, tmp_path: Path) -> None:
    path = path_of(made, "bm25")
    read = read_evidence(path)
    for _ in range(2):
        stored = stored_evidence(tmp_path, path)
        assert all(np.array_equal(getattr(stored, field.name), getattr(read, field.name)) for field in fields(read))
    assert len(list((tmp_path / "evidence").iterdir())) == 1


def test_a_pool_of_some_languages_scores_as_if_it_had_been_measured(made: Path) -> None:
    languages = ("de", "en", "zh")
    measured = run(TASKS["starter"], load_model("bm25"), languages).record
    row = recompute.recompute(read_evidence(path_of(made, "bm25")), "map", languages).row
    assert set(row) == {*board.SCORES, *board.BIAS}
    for name in ("mono", "cross", "multi"):
        assert row[name].value == pytest.approx(measured.settings[name]["map"].value, abs=1e-12)
    assert row["balance"].value == pytest.approx(measured.balance["map"].value, abs=1e-12)
    for name in board.BIAS:
        assert row[name].value == pytest.approx(measured.bias[name].value, abs=1e-9)
        assert np.isnan(row[name].low)


def test_query_page_lists_queries_with_answers(made: Path) -> None:
    evidence = read_evidence(path_of(made, "use-multilingual"))
    table = recompute.query_table(evidence, "de")
    assert len(table) == (evidence.query_language == evidence.languages.index("de")).sum()
    first = table.iloc[0]
    answers = recompute.relevants_of(evidence, first["query"])
    assert [answer.rank for answer in answers] == sorted(answer.rank for answer in answers)
    assert (answers[0].rank, answers[-1].rank, len(answers)) == (
        first["best rank"],
        first["worst rank"],
        first["relevant candidates"],
    )
    precision = sum(place / answer.rank for place, answer in enumerate(answers, 1)) / len(answers)
    assert precision == pytest.approx(first["average precision"])
    top = recompute.best_candidates(evidence, first["query"])
    ranked = {answer.candidate: answer.rank for answer in answers}
    assert len(top) == 10
    assert all(ranked[item.candidate] == item.rank for item in top if item.relevant)


def test_rank_curve_reaches_all_queries(made: Path) -> None:
    curve = recompute.rank_curve(read_evidence(path_of(made, "bm25")))
    for _, part in curve.groupby("relevant"):
        assert part["share"].is_monotonic_increasing
        assert part["share"].iloc[-1] == 1


def test_query_values_average_to_the_settings(made: Path) -> None:
    path = path_of(made, "use-multilingual")
    evidence, result = read_evidence(path), read_result_record(path)
    for setting in ("mono", "cross", "multi"):
        values = recompute.query_values(evidence, "map", setting)
        means = [
            np.nanmean(values[evidence.query_language == place])
            for place in range(len(evidence.languages))
            if (evidence.query_language == place).any()
        ]
        assert np.mean(means) == pytest.approx(result.settings[setting]["map"].value, abs=1e-9)


def test_differences_equal_those_of_compare(made: Path) -> None:
    one, other = (read_evidence(path_of(made, name)) for name in ("bm25", "use-multilingual"))
    found = compare(one, other, "map", draws=200)
    table = comparison.setting_table(found)
    assert table["difference"].tolist() == found.by_setting.difference.tolist()
    assert len(comparison.pair_table(found)) == 121
    found.by_pair.difference[:, 0] = np.nan
    assert set(comparison.pair_table(found)["candidate"]) == set(found.languages[1:])
    assert len(comparison.language_table(found)) == 33
    assert set(table["in words"]) <= {"not found", *(f"found, {word}" for _, word in comparison.SIZES)}
    said = comparison.in_words(found, ("bm25", "use"))
    assert said.startswith("use is better in")
    assert "(large)" in said
    differing = comparison.query_differences(one, other, "map", "multi", "de")
    assert differing["B − A"].abs().is_monotonic_decreasing
    assert set(differing["language"]) == {"de"}


@pytest.mark.parametrize(
    ("one", "other", "found", "words"),
    [
        (0.5, 0.504, True, "found, but tiny"),
        (0.52, 0.5, True, "found, but small"),
        (0.5, 0.53, True, "found, noticeable"),
        (0.5, 0.55, True, "found, large"),
        (0.0, 0.01, True, "found, large"),
        (0.5, 0.9, False, "not found"),
    ],
)
def test_difference_is_called_by_its_share_of_the_lower_score(
    one: float, other: float, found: bool, words: str
) -> None:
    assert comparison.size_in_words(one, other, found) == words


def test_no_model_dominates_the_pareto_front() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0, 2.0], "y": [1.0, 3.0, 2.0, 3.0]})
    assert charts.pareto(table, "x", "y") == [False, True, True, True]
    assert charts.pareto(table, "y", "x", x_falls=True) == [True, False, True, False]


def test_charts_are_made_of_the_tables(index: Index, made: Path) -> None:
    scores = shown_scores(index, "starter", "map")
    entries = on(index, "starter")
    rows = board.values(scores, "map")
    result = read_result_record(path_of(made, "bm25"))
    own = scores[scores["result"] == entries[0].id]
    grid = board.pairs(own, "map", entries[0].languages)
    long = board.long_form(board.language_scores(own, "map", entries[0].languages), ("mono", "multi"))
    made_charts = [
        charts.scatter(board.overview(entries, rows), board.DISTANCE, "multi", ("bias", "multi"), x_falls=True),
        grids.heat_map(grid),
        charts.dots(long, "language", "setting", "map", ("language-blind", 0.5), ["de"]),
        grids.deviation_map(model_tables.mix_table(result, [10.0] * 11), 0, 4, "ratio"),
        charts.lines(long, "value", "low", "setting", ("value", "low"), log_x=True),
        charts.histogram(pd.DataFrame({"start": [-0.5, 0.0], "end": [0.0, 0.5], "count": [3, 4]}), "difference"),
    ]
    for chart in made_charts:
        alt.Chart.from_dict(chart.saved(640))  # fails where the schema of Vega-Lite does not allow it
    assert "viridis" in str(grids.heat_map(grid).spec)
    assert len(grid) == 121


def test_wins_and_losses_sum_to_zero(made: Path) -> None:
    standing = model_tables.standing_of_languages(read_result_record(path_of(made, "use-multilingual")))
    assert standing["pushed"].sum() == pytest.approx(0, abs=1e-6)
    assert standing["pushed"].is_monotonic_decreasing


def test_bias_of_all_models_below_the_language_blind(index: Index, made: Path) -> None:
    scores = read_scores(home_of(made), ["starter"], BIAS_NAMES, overall=True).to_pandas()
    result = read_result_record(path_of(made, "bm25"))
    table = model_tables.bias_table(on(index, "starter"), board.bias_values(scores), result.blind, BIAS_NAMES)
    assert table["model"][0] == "language-blind"
    assert table.loc[table["model"] == "bm25", "rank_distance"].item() == result.bias["rank_distance"].value


def test_image_text_is_the_mean_over_text_to_image_tasks() -> None:
    def entry(task: str) -> Entry:
        return Entry(
            id=f"m@1/{task}", folder="m@1", task=task, trust="recomputed", name="m", identity="m", revision="1",
            headline="ndcg@10", languages=("de", "zxx"),
        )  # fmt: skip

    rows = [("m@1/emoji-t2i", "multi", 0.2), ("m@1/storybooks-t2i", "multi", 0.4), ("m@1/emoji-i2t", "multi", 0.9)]
    table = pd.DataFrame(rows, columns=["result", "setting", "value"])
    table = table.assign(metric="ndcg@10", query=ALL, candidate=ALL)
    tasks = ("emoji-t2i", "storybooks-t2i", "emoji-i2t")
    assert board.image_text(table, [entry(task) for task in tasks]) == {"m@1": pytest.approx(0.3)}


HOSTILE = "[x](https://evil.example) <b>b</b> `c` $m$ :red[r] ![i](j) <https://k.example> *e* :material/home: # h"


def test_hostile_text_stays_text() -> None:
    html = MarkdownIt("gfm-like", {"linkify": False}).render(literal(HOSTILE))
    assert not any(f"<{tag}" in html for tag in ("a", "b>", "code", "img", "em", "h1"))
    table = texts_table(["text"], [[cell({"id": "<script>1</script>"}, {}, "id")]], [False], 0)
    assert "<script" not in table
    assert "&lt;script" in table


@given(some.text(some.characters(codec="ascii", categories=("L", "N", "P", "S", "Z")), max_size=40))
def test_plain_text_is_shown_unchanged(text: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).render(literal(text))
    shown = html.replace("<p>", "").replace("</p>", "").replace("\u2060", "").strip()
    wanted = " ".join(text.split())
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        wanted = wanted.replace(char, entity)
    assert shown == wanted


def test_tables_export_as_text() -> None:
    table = pd.DataFrame({"model": ["=1+1", "a|b_c"], "map": [0.25, None], "n": pd.array([7, None], "Int64")})
    assert as_csv(table) == "model,map,n\n'=1+1,0.25,7\na|b_c,,\n"
    lines = as_markdown(table).splitlines()
    assert lines[1] == "| --- | ---: | ---: |"
    assert lines[3] == r"| a\|b\_c | – | – |"
    latex = as_latex(table)
    assert r"\begin{tabular}{lrr}" in latex
    assert r"a|b\_c & -- & -- \\" in latex


def test_untrusted_text_is_escaped_in_latex() -> None:
    table = pd.DataFrame({"a_b → c": ["\\input{x} 5 % & $y$ #1 ~^", "two\n\nlines"]}, index=[3, 3])
    _, _, head, _, first, second, *_ = as_latex(table).splitlines()
    assert head == r"a\_b $\to$ c \\"
    assert " ".join(first.split()) == r"\textbackslash input\{x\} 5 \% \& \$y\$ \#1 \textasciitilde \textasciicircum \\"
    assert second == r"two lines \\"


def test_charts_export_as_svg() -> None:
    rows = pd.DataFrame({"model": ["de <b>"], "setting": "multi", "value": 0.5, "low": 0.4, "high": 0.6})
    chart = charts.dots(rows, "model", "setting", "map")
    svg = as_svg(chart, "Scores of all models", "panglot xquad-r map")
    assert svg.startswith("<svg")
    for words in ("de &lt;b&gt;", "Scores of all models", f"panglot xquad-r map, {date.today()}"):
        assert words in svg
    assert as_png(chart).startswith(b"\x89PNG")


def test_texts_come_with_the_data() -> None:
    texts = read_texts("starter", TASKS["starter"].languages)
    assert len(texts.queries) == TASKS["starter"].queries
    assert read_texts("no such task", ("de",)) == Texts({}, {}, {})


PICTURE = Image("0" * 64, lambda: b"not a picture")


def test_images_are_labelled_by_their_english_caption() -> None:
    pool = Pool.of(
        ["de", "en", "zxx"],
        [Query("a", "Hund", "de", "1"), Query("b", "dog", "en", "1"), Query("c", "Katze", "de", "2")],
        [Candidate("x", "", "zxx", PICTURE), Candidate("y", "", "zxx", PICTURE)],
        [Judgement("a", "x"), Judgement("b", "x"), Judgement("c", "y")],
    )
    assert texts._labels(pool) == {"x": "dog", "y": "Katze"}
    assert cell({}, {"x": PICTURE}, "x", "dog") == "dog"
    table = texts_table(["rank", "text"], [["1,204", "a"], ["2", "b"]], [True, False], 1)
    assert table.count("✓") == table.count('class="answer"') == 1
    assert table.count('class="number"') == 2


Open = Callable[..., AppTest]


def test_stored_standings_are_those_of_the_suite(made: Path, tmp_path: Path) -> None:
    paths = {name: path_of(made, name) for name in ("bm25", "use-multilingual")}
    wanted = rank({name: read_evidence(path) for name, path in paths.items()}, "map", "balance").models
    for _ in range(2):
        assert stored_standings(tmp_path, paths, "map", "balance", ()) == Ranked(wanted, {})
    assert len(list((tmp_path / "standings").iterdir())) == 1


def test_all_committed_results_are_found() -> None:
    update(COMMITTED)
    index = read_index(COMMITTED)
    assert len([entry for entry in index.entries if entry.trust != "published"]) == len(list(find_results([COMMITTED])))
