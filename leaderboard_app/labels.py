"""Which points of a chart can be named so that no name lies on another one; nothing here knows Streamlit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from leaderboard_app.vega import Spec, data, mark, name_of
from panglot.arrays import Floats

GREY = "#8a8a8a"
"""Marks for reference: floors, fronts, neutral lines."""
FONT = 11
LETTER = 6.4
"""Pixels of a letter of a name, a little more than its mean."""
WIDTH, HEIGHT = 560, 320
"""Pixels of the narrowest drawing that names are placed for, that of a saved chart, and of its height."""
EXACT: Spec = {"height": HEIGHT, "autosize": {"type": "fit-x", "contains": "padding"}}
"""Makes a drawing as high as names are placed for, whatever axis and legend take."""
PHONE_WIDTH = 270
LIMIT = 190
"""Pixels of a name that is shown whole."""
FAR = (-1, 1, -2, 2, 3, -3, 4, 5, 6)
"""Lines between a point and a name above or below it, which a line of the drawing joins."""
MARK = 3
"""Pixels around a point that no name covers."""
GAP = 8
"""Pixels between a point and its name."""


class Box(NamedTuple):
    """Pixels from the left and from the top."""

    left: float
    top: float
    right: float
    bottom: float

    def hits(self, other: Box) -> bool:
        """Whether the two overlap."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    @property
    def inside(self) -> bool:
        """Whether all of it is in the drawing; the width is asked of the point."""
        return self.left >= 0 and self.top >= 0 and self.bottom <= HEIGHT


class Label(NamedTuple):
    """Where a name is in relation to its point."""

    align: str
    dx: float
    dy: float


def name_layers(
    models: pd.DataFrame, order: Sequence[int], across: Floats, up: Floats, axes: Spec, narrow: bool
) -> tuple[list[Spec], pd.DataFrame]:
    """The names in a chart with lines to their points, and their table: the rows of `models` that are named."""
    labels = place(across, up, models["model"].tolist(), order, narrow)
    where = pd.DataFrame(labels.values(), list(labels), columns=Label._fields)
    look = {name: {"expr": f"datum.{name}"} for name in Label._fields}
    text = mark("text", baseline="middle", fontSize=FONT, limit=LIMIT, clip=True, **look)
    names = {"name": "names", **data("named"), **text, "encoding": {**axes, "text": name_of("model")}}
    line = mark("rule", color=GREY, strokeWidth=1, clip=True, y2Offset={"expr": "datum.dy"})
    ends = {"x2": {"field": axes["x"]["field"]}, "y2": {"field": axes["y"]["field"]}}
    return [{**data("named"), **line, "encoding": {**axes, **ends}}, names], models.loc[list(labels)].join(where)


def place(across: Floats, up: Floats, names: Sequence[str], order: Sequence[int], narrow: bool) -> dict[int, Label]:
    """Of the points in `order`, those that can be named, with where; those that come first win.

    :param across: shares of the width, from the left
    :param up: shares of the height, from below
    """
    width = PHONE_WIDTH if narrow else WIDTH
    points = {row: (across[row] * width, (1 - up[row]) * HEIGHT) for row in order}
    marks = {row: Box(x - MARK, y - MARK, x + MARK, y + MARK) for row, (x, y) in points.items()}
    taken = list(marks.values())
    found: dict[int, Label] = {}
    for row in order:
        x, y = points[row]
        for label, box in _boxes(x, y, min(len(names[row]) * LETTER, LIMIT), width):
            free = not any(box.hits(other) for other in taken if other != marks[row])
            if free and box.inside and box.right <= width:
                found[row] = label
                taken.append(box)
                break
    return found


def _boxes(x: float, y: float, long: float, width: float) -> Iterator[tuple[Label, Box]]:
    """Beside, above and below a point; first towards the middle of the chart."""
    half = FONT / 2 + 1
    left = Label("right", -GAP, 0), Box(x - GAP - long, y - half, x - GAP, y + half)
    right = Label("left", GAP, 0), Box(x + GAP, y - half, x + GAP + long, y + half)
    yield from (left, right) if x > width / 2 else (right, left)
    for lines in FAR:
        dy = lines * (FONT + 3)
        yield Label("right", 4, dy), Box(x + 4 - long, y + dy - half, x + 4, y + dy + half)
        yield Label("left", -4, dy), Box(x - 4, y + dy - half, x - 4 + long, y + dy + half)
