"""Which points of a chart can be named so that no name or line lies on another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
import pandas as pd

from leaderboard_app.charts.vega import Spec, data, mark, name_of
from panglot.arrays import Floats

GREY = "#8a8a8a"
"""Marks for reference: floors, fronts, neutral lines."""
FONT = 11
LETTER = 6.4
"""Pixels of a letter of a name, a little more than its mean."""
HEIGHT = 320
WIDTHS, PHONE_WIDTHS = (560, 900, 1300), (270,)
"""Pixels of the drawings that names are placed for: a saved chart, pages of two widths; a phone."""
EXACT: Spec = {"height": HEIGHT, "autosize": {"type": "fit-x", "contains": "padding"}}
"""Makes a drawing as high as names are placed for, whatever axis and legend take."""
LIMIT = 190
"""Pixels of a name that is shown whole."""
FAR = (-1, 1, -2, 2, -3, 3)
"""Lines of text between a point and a name above or below it, which a line joins."""
HALF = FONT / 2 + 1
"""Pixels from the middle of a name to its upper edge."""
MARK = 5
"""Pixels around a point that no name covers."""
GAP = 8
"""Pixels between a point and a name beside it."""
STEP = 6
"""Pixels between the places of a line that names keep off."""


class Label(NamedTuple):
    """Where a name is in relation to its point, and how far down the line from the point to it ends."""

    align: str
    dx: float
    dy: float
    line: float

    def boxes(self, point: Floats, long: float) -> Floats:
        """What the name of a point takes, and its line: `[boxes, (left, top, right, bottom)]`."""
        x, y = point.tolist()
        left = x + self.dx - (long if self.align == "right" else 0)
        name = (left, y + self.dy - HALF, left + long, y + self.dy + HALF)
        top, bottom = sorted((y + MARK * np.sign(self.line), y + self.line))
        return np.array([name, (x - 2, top, x + 2, bottom)] if self.line else [name])


class Drawing:
    """What marks, lines and names take of a drawing of some width."""

    def __init__(self, across: Floats, up: Floats, width: float, marked: Sequence[int], joined: Sequence[int]) -> None:
        self.points = np.stack([across * width, (1 - up) * HEIGHT], axis=1)
        self.width = width
        self.marked = np.array(marked, int)
        self.marks = _around(self.points[self.marked], MARK)
        self.joined = [_around(self._line(one, other), 1) for one, other in pairwise(joined)]
        self.taken: list[Floats] = []

    def has_room(self, row: int, boxes: Floats, off_joined: bool) -> bool:
        """Whether the name of a point and its line are inside, on no other, and off the line that joins points."""
        left, top, right, bottom = boxes[0]
        if left < 0 or top < 0 or right > self.width or bottom > HEIGHT:
            return False
        joined = self.joined if off_joined else []
        others = np.concatenate([self.marks[self.marked != row], *joined, *self.taken])
        apart = (boxes[:, None, :2] >= others[:, 2:]) | (others[:, :2] >= boxes[:, None, 2:])
        return bool(apart.any(axis=2).all())

    def _line(self, one: int, other: int) -> Floats:
        """Places on the line between two points."""
        between = self.points[other] - self.points[one]
        shares = np.linspace(0, 1, 2 + int(np.hypot(*between) / STEP))
        line: Floats = self.points[one] + shares[:, None] * between
        return line


def name_layers(
    models: pd.DataFrame,
    order: Sequence[int],
    across: Floats,
    up: Floats,
    axes: Spec,
    narrow: bool,
    marked: Sequence[int],
    joined: Sequence[int] = (),
) -> tuple[list[Spec], pd.DataFrame]:
    """The names in a chart with lines to their points, and their table: the rows of `models` that are named."""
    labels = place(across, up, models["model"].tolist(), order, narrow, marked, joined)
    where = pd.DataFrame(labels.values(), list(labels), columns=Label._fields)
    look = {name: {"expr": f"datum.{name}"} for name in ("align", "dx", "dy")}
    text = mark("text", baseline="middle", fontSize=FONT, limit=LIMIT, clip=True, **look)
    names = {"name": "names", **data("named"), **text, "encoding": {**axes, "text": name_of("model")}}
    line = mark("rule", color=GREY, strokeWidth=1, clip=True, y2Offset={"expr": "datum.line"})
    ends = {"x2": {"field": axes["x"]["field"]}, "y2": {"field": axes["y"]["field"]}}
    return [{**data("named"), **line, "encoding": {**axes, **ends}}, names], models.loc[list(labels)].join(where)


def place(
    across: Floats,
    up: Floats,
    names: Sequence[str],
    order: Sequence[int],
    narrow: bool,
    marked: Sequence[int],
    joined: Sequence[int] = (),
) -> dict[int, Label]:
    """Of the points in `order`, those that can be named, with where; those that come first win.

    No name and no line to one lies on another or on the mark of another point, nor, where it can be helped, on the line
    that joins some points.

    :param across: shares of the width, from the left
    :param up: shares of the height, from below
    :param marked: points whose marks no name may cover
    :param joined: points that a line joins
    """
    drawings = [Drawing(across, up, width, marked, joined) for width in (PHONE_WIDTHS if narrow else WIDTHS)]
    found: dict[int, Label] = {}
    for row in order:
        long = min(len(names[row]) * LETTER, LIMIT)
        for off_joined, label in product((True, False), _labels(left_first=across[row] > 0.5)):
            boxes = [label.boxes(drawing.points[row], long) for drawing in drawings]
            if all(drawing.has_room(row, box, off_joined) for drawing, box in zip(drawings, boxes, strict=True)):
                found[row] = label
                for drawing, box in zip(drawings, boxes, strict=True):
                    drawing.taken.append(box)
                break
    return found


def _labels(left_first: bool) -> list[Label]:
    """Beside, above and below a point."""
    left, right = Label("right", -GAP, 0, 0), Label("left", GAP, 0, 0)
    labels = [left, right] if left_first else [right, left]
    for lines in FAR:
        dy = lines * (FONT + 3)
        end = dy - HALF if dy > 0 else dy + HALF
        labels += [Label("right", 4, dy, end), Label("left", -4, dy, end)]
    return labels


def _around(points: Floats, pixels: float) -> Floats:
    """The boxes around points: `[points, (left, top, right, bottom)]`."""
    boxes: Floats = np.concatenate([points - pixels, points + pixels], axis=1)
    return boxes
