"""What is asked: every task, listed by hand, in the order of the leaderboard."""

from suite.task import Task
from tasks.mlqa_r import MLQA_R
from tasks.starter_set import STARTER
from tasks.xquad_r import XQUAD_R

ALL: tuple[Task, ...] = (XQUAD_R, MLQA_R, STARTER)
