"""The tasks that come with the suite, by name."""

from __future__ import annotations

from panglot.tasks import ALL

TASKS = {task.name: task for task in ALL}
