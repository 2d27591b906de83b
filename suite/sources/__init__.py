"""From a task to its pool: find and verify the files, then read them."""

from suite.sources.load import read_pool

__all__ = ["read_pool"]
