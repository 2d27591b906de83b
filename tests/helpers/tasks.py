"""The tasks that come with the suite, by name."""

from __future__ import annotations

from panglot.data.catalogue import suite_tasks

TASKS = suite_tasks()
