"""Columns, numbers and colours of the board: directions, formats, filters, references."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some

from leaderboard_app.charts import charts, grids, labels
from leaderboard_app.charts.exports import as_csv, as_latex, as_markdown
from leaderboard_app.index.entries import Entry
from leaderboard_app.tables import board
from leaderboard_app.tables.columns import BETTER, SAID, SENTENCES, badness, falls
from leaderboard_app.tables.formats import number, printed, shortened, signed
from leaderboard_app.widgets.filtering import Filters
from leaderboard_app.widgets.overview_table import why_no_comparison, why_no_queries, why_not_open
from panglot.encode.registry import FLOORS
from panglot.numbers import p_value
from panglot.score.bootstrap import Score
from panglot.score.comparison.standings import Standing
from panglot.score.summary import BIAS_NAMES


def entry(name: str, trust: str = "recomputed", **facts: object) -> Entry:
    return Entry.model_validate(
        {
            "id": f"{name}@1/t", "folder": f"{name}@1", "task": "t", "trust": trust, "name": name, "identity": name,
            "revision": "1", "headline": "map", "languages": ("de", "en"), "evidence": True, **facts,
        }
    )  # fmt: skip


def test_every_measure_has_a_direction_and_a_sentence() -> None:
    assert set(BIAS_NAMES) | set(board.SCORES) <= set(BETTER)
    assert set(BIAS_NAMES) | set(board.SCORES) <= set(SENTENCES)
    assert set(BETTER.values()) == set(SAID)


@pytest.mark.parametrize(
    ("measure", "blind", "best_first"),
    [
        ("normalised_rank_distance", 0.0, [0.1, 0.5, 1.2]),
        ("complete@20", 1.0, [0.9, 0.5, 0.1]),
        ("same_language_ratio@10", 1.0, [1.1, 0.8, 2.0, 0.4, 9.0]),
        ("first_hit_own_language", 0.1, [0.1, 0.2, 0.9]),
        ("multi", None, [0.9, 0.5]),
    ],
)
def test_the_best_value_of_a_measure_comes_first(measure: str, blind: float | None, best_first: list[float]) -> None:
    assert sorted(best_first[::-1], key=lambda value: badness(measure, value, blind)) == best_first


def test_a_heading_sorts_scores_from_the_top_and_distances_from_the_bottom() -> None:
    assert falls("mono")
    assert not falls("normalised_rank_distance")
    assert not falls("model")


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(-0.3, 0, "0"), (0.3, 0, "0"), (-0.6, 0, "-1"), (2.4, 0, "+2"), (-0.04, 1, "0.0"), (float("nan"), 0, "–")],
)
def test_a_difference_that_rounds_to_zero_has_no_sign(value: float, digits: int, shown: str) -> None:
    assert signed(value, digits) == shown


@given(some.floats(-1e5, 1e5), some.sampled_from(["rank_distance", "mono", "difference"]))
def test_a_number_has_the_digits_of_its_quantity(value: float, name: str) -> None:
    shown = number(value, name)
    assert len(shown.partition(".")[2]) == {"rank_distance": 1, "mono": 3, "difference": 4}[name]
    assert shown.strip("0.") != "-"


@pytest.mark.parametrize(("p", "shown"), [(0.0, "< .001"), (0.00099, "< .001"), (0.0314, ".031"), (1.0, "1")])
def test_p_is_written_alike_on_pages_and_in_files_for_people(p: float, shown: str) -> None:
    table = pd.DataFrame({"p (Holm)": [p], "p": [p]})
    assert number(p, "p") == number(p, "p (Holm)") == p_value(p) == shown
    assert as_markdown(table).replace("\\", "").count(f" {shown} ") == 2
    assert as_latex(table).count(shown.replace("<", "$<$")) == 2
    assert as_csv(table) == f"p (Holm),p\n{p},{p}\n"


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [(float("nan"), "%.3f", "–"), (None, "", "–"), (-2.0, "%.5g", "−2"), (118e6, "compact", "118 M"), (7.0, "", "7")],
)
def test_a_number_beside_missing_ones_is_a_text(value: float | None, form: str, shown: str) -> None:
    assert printed(value, form) == shown


@given(some.text(min_size=1, max_size=40), some.integers(10, 30))
def test_a_long_name_keeps_both_ends(name: str, most: int) -> None:
    shown = shortened(name, most)
    assert shown == name if len(name) <= most else len(shown) == most
    start, _, end = shown.partition("…")
    assert name.startswith(start)
    assert name.endswith(end)


def overview(*entries: Entry) -> pd.DataFrame:
    rows = {
        each.id: {"multi": board.Score(0.5, 0.4, 0.6), board.DISTANCE: board.Score(0.1 * place, 0, 1)}
        for place, each in enumerate(entries)
    }
    return board.overview(entries, rows)


def test_a_model_of_unknown_size_passes_a_size_filter() -> None:
    table = overview(entry("small", parameters=10**7), entry("large", parameters=10**9), entry("unknown"))
    filters = Filters(size="50 M")
    assert set(filters.keep(table)["model"]) == {"small", "unknown"}
    assert filters.active() == {"size": "at most 50 M parameters, or size unknown"}
    assert Filters().active() == {}


def test_floors_are_not_on_a_front() -> None:
    floors = [entry(name) for name in sorted(FLOORS)]
    assert {"random", "constant", "language-id"} == FLOORS
    chart = charts.scatter(overview(*floors, entry("model")), board.DISTANCE, "multi", ("x", "y"), x_falls=True)
    front, grey, models = (chart.tables[name] for name in ("front", "floors", "models"))
    assert front["model"].tolist() == models["model"].tolist() == ["model"]
    assert set(grey["model"]) == {f"{name} (floor)" for name in FLOORS}
    best = board.best_first([*floors, entry("model")], {})
    assert best[0].name == "model"
    assert not any(each.ranked for each in floors)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("models", [20, 1000])
def test_no_name_or_line_in_a_chart_lies_on_another(models: int, narrow: bool) -> None:
    """Whatever the width of the drawing. The one that is looked for is named first."""
    random = np.random.default_rng(0)
    across, up = random.uniform(0.02, 0.98, models), random.beta(5, 2, models) * 0.9 + 0.05
    across[3:6], up[3:6] = across[3], [0.9, 0.9, 0.89]  # one on another, and one close by
    names = [f"organisation-{row}/multilingual-model" for row in range(models)]
    order = [7, *np.argsort(-up)[:10].tolist(), 3, 4, 5]
    order = list(dict.fromkeys(order))
    placed = labels.place(across, up, names, order, narrow, order, joined=[7, 3])
    assert next(iter(placed)) == 7
    assert len(placed) >= (3 if narrow else 5)
    assert any(label.dy for label in placed.values())
    for width in labels.PHONE_WIDTHS if narrow else labels.WIDTHS:
        boxes: list[tuple[float, ...]] = []
        for row, label in placed.items():
            x, y, long = across[row] * width, (1 - up[row]) * labels.HEIGHT, min(len(names[row]) * 6.4, 190)
            left = x + label.dx - (long if label.align == "right" else 0)
            assert 0 <= left <= left + long <= width
            boxes.append((left, y + label.dy - 6, left + long, y + label.dy + 6))
            if label.dy:  # the line ends at the edge of the name, and begins at that of the mark
                assert 6 <= abs(label.dy) - abs(label.line) <= 7
                ends = sorted((y + np.copysign(labels.MARK, label.dy), y + label.line))
                boxes.append((x - 0.5, ends[0], x + 0.5, ends[1]))
        for place, one in enumerate(boxes):
            for other in boxes[:place]:
                apart = one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
                assert apart, (width, one, other)


def test_names_keep_off_the_line_of_the_front_where_there_is_room() -> None:
    across, up = np.array([0.2, 0.8, 0.5]), np.array([0.8, 0.2, 0.5])
    free = labels.place(across, up, ["one", "other", "between"], [2], False, range(3))
    assert free[2].dy == 0
    assert labels.place(across, up, ["one", "other", "between"], [2], False, range(3), joined=[0, 1])[2].dy != 0


def test_a_chart_names_what_is_looked_for_and_the_good_corner_is_top_right() -> None:
    entries = [entry(f"model-{place:02d}") for place in range(30)]
    rows = {
        each.id: {
            "multi": board.Score(0.9 - 0.01 * place, None, None),
            board.DISTANCE: board.Score(0.1 + 0.01 * (place % 7), None, None),
        }
        for place, each in enumerate(entries)
    }
    table = board.overview(entries, rows)
    chart = charts.scatter(table, board.DISTANCE, "multi", ("bias ↓", "multi ↑"), x_falls=True, sought=["model-29@1"])
    assert chart.tables["named"]["model"].iloc[0] == "model-29"
    assert "model-00" in set(chart.tables["named"]["model"])
    encoding = chart.spec["layer"][2]["encoding"]
    assert encoding["x"]["scale"]["reverse"]
    assert "reverse" not in encoding["y"]["scale"]


def test_rows_without_a_rank_are_below_those_with_one_and_floors_last() -> None:
    listed = [
        entry("random"),
        entry("paper", "published", source="a paper"),
        entry("claim", "self-reported"),
        entry("better"),
        entry("worse"),
    ]
    rows = {each.id: {"balance": board.Score(0.9 - 0.1 * place, None, None)} for place, each in enumerate(listed)}
    rows["worse@1/t"] = {"balance": board.Score(0.55, None, None)}
    table = board.overview(listed, rows)
    assert table["model"].tolist() == ["better", "worse", "claim", "paper", "random (floor)"]
    assert [each.shown for each in board.best_first(listed, rows)] == table["model"].tolist()


def test_a_chart_of_thousands_of_marks_has_labels_in_the_ink_of_the_page() -> None:
    """Which `style.css` gives to SVG alone."""
    languages = [f"{first}{second}" for first in "abcdefghij" for second in "abcdefghij"]
    rows = [(language, f"model-{place}", 0.5) for language in languages for place in range(25)]
    drawn = grids.language_map(pd.DataFrame(rows, columns=["language", "model", "value"])).drawn()
    assert drawn["usermeta"]["embedOptions"]["renderer"] == "svg"


def test_legend_of_a_grid_is_no_gradient() -> None:
    """A gradient is named with the address of the page, and lost when the address changes under it."""
    table = pd.DataFrame({"query": ["de"], "candidate": ["en"], "value": [0.1], "shown": ["+10"]})
    rect, _ = grids.deviation_map(table, 0, 1, "difference").spec["layer"]
    assert rect["encoding"]["color"]["legend"]["type"] == "symbol"


def test_an_action_that_cannot_be_done_says_why() -> None:
    entries = {
        each.folder: each
        for each in (
            entry("one"),
            entry("two"),
            entry("paper", "published", source="a paper"),
            entry("new", "not checked"),
        )
    }
    assert why_not_open([]) == "Select exactly one row to open it."
    assert why_not_open(["paper@1"]) == ""
    assert "published scores only" in why_no_queries(["paper@1"], entries)
    assert "not verified yet" in why_no_queries(["new@1"], entries)
    assert why_no_queries(["one@1"], entries) == why_no_comparison(["one@1", "two@1"], entries) == ""
    assert "2 to 4" in why_no_comparison(["one@1"], entries)
    assert "published scores only" in why_no_comparison(["one@1", "paper@1"], entries)


def luminance(colour: tuple[float, ...]) -> float:
    parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


def contrast(white: bool, below: tuple[float, ...]) -> float:
    return 1.05 / (luminance(below) + 0.05) if white else (luminance(below) + 0.05) / 0.05


def test_numbers_on_coloured_cells_can_be_read() -> None:
    for end, white_from in ((grids.ABOVE, grids.WHITE_ABOVE), (grids.BELOW, grids.WHITE_BELOW)):
        for step in range(101):
            share = step / 100
            cell = tuple(a + share * (b - a) for a, b in zip(rgb(grids.NEUTRAL), rgb(end), strict=True))
            assert contrast(share > white_from, cell) >= 4.5
    viridis = {0: "#440154", 0.25: "#3b528b", 0.4: "#2a788e", 0.5: "#21918c", 0.75: "#5ec962", 1: "#fde725"}
    for share, colour in viridis.items():
        assert contrast(share <= grids.BLACK_FROM, rgb(colour)) >= 4.5


def test_a_series_has_one_colour_in_every_chart() -> None:
    assert len(set(charts.SETTING_INKS.values())) == len(charts.SETTING_INKS)
    assert not set(charts.SETTING_INKS.values()) & {*charts.TRUST_INKS.values(), *charts.OTHERS, charts.GREY}
    for names in (["mono", "cross", "multi"], ["balance", "multi"], ["multi", "mono"]):
        table = pd.DataFrame({"language": "de", "setting": names, "value": 0.5, "low": 0.4, "high": 0.6})
        colour = charts.dots(table, "language", "setting", "map").spec["layer"][0]["encoding"]["color"]
        assert colour["scale"]["range"] == [charts.SETTING_INKS[name] for name in names]


def test_axes_of_scores_do_not_begin_below_zero() -> None:
    for least in (0.0, 0.001, 0.4):
        table = pd.DataFrame({"language": ["de", "en"], "setting": "mono", "value": [least, 0.5]})
        table = table.assign(low=float("nan"), high=float("nan"))
        x = charts.dots(table, "language", "setting", "map").spec["layer"][0]["encoding"]["x"]
        assert 0 <= x["scale"]["domain"][0] <= least


def test_models_that_cannot_be_told_apart_share_a_letter() -> None:
    """The order of the rows goes by the kind of entry first, and leaves the letters alone."""
    models = [entry("one"), entry("two"), entry("other", "published")]
    rows = {each.id: {"balance": Score(0.5, None, None)} for each in models}
    standings = [Standing(each.id, 1, 1, 2, Score(0.5, None, None), ("a",)) for each in models[:2]]
    shown = board.overview(models, rows, standings)
    assert shown["group"].fillna("").tolist() == ["a", "a", ""]
    assert shown["model"].tolist() == ["one", "two", "other"]
