"""What is asked: every task, listed by hand, in the order of the leaderboard; and names for several together."""

from collections.abc import Mapping

from panglot.tasks.belebele import BELEBELE
from panglot.tasks.emoji import EMOJI, EMOJI_KEYWORDS
from panglot.tasks.miracl import MIRACL, MIRACL_HN
from panglot.tasks.mlqa_r import MLQA_R
from panglot.tasks.multi30k import MULTI30K
from panglot.tasks.starter_set import STARTER
from panglot.tasks.storybooks import STORYBOOKS
from panglot.tasks.wit import WIT
from panglot.tasks.xflickr_co import XFLICKR_CO
from panglot.tasks.xm3600 import XM3600, XM3600_FIRST
from panglot.tasks.xquad_r import XQUAD_R

from panglot.data.task import Task

IMAGE_TEXT = (EMOJI, EMOJI_KEYWORDS, STORYBOOKS, XM3600, XM3600_FIRST, XFLICKR_CO, WIT, MULTI30K)

ALL: tuple[Task, ...] = (
    XQUAD_R,
    MLQA_R,
    BELEBELE,
    *(task for data in IMAGE_TEXT for task in data.tasks),
    MIRACL_HN,
    MIRACL,
    STARTER,
)

SUITES: Mapping[str, tuple[Task, ...]] = {
    "murec": tuple(task for task in ALL if task not in (MIRACL, STARTER)),
    "m2m": (XQUAD_R, MLQA_R),
}
"""`murec`: the Multilingual and multimodal Retrieval Evaluation Collection, a name of ours, no public benchmark.
`m2m`: the grid of many-to-many directions."""

GROUPS: Mapping[str, tuple[Task, ...]] = {**{data.name: data.tasks for data in IMAGE_TEXT}, **SUITES}
"""What one name stands for, where it stands for several tasks."""
