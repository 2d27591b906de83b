"""Panglot: how an encoder retrieves within, across and over all languages, and which of them it favours.

    result = panglot.run("use-multilingual", "starter", languages=["de", "en"])
    result.scores["mono"]["map"]  # Score(value, low, high)

Names are imported on first use, so that `import panglot` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panglot.api import compare, load_model, load_pool, load_task, rank, read_result, run
    from panglot.data.pool import Pool
    from panglot.data.task import Task
    from panglot.encode.card import ModelCard
    from panglot.encode.model import Encoder
    from panglot.errors import PanglotError
    from panglot.interop.evaluator import PanglotEvaluator as PanglotEvaluator
    from panglot.results.result import Result
    from panglot.retrieve.evidence import Evidence
    from panglot.score.bootstrap import Score
    from panglot.score.comparison.comparison import Comparison
    from panglot.score.comparison.standings import Standings

__all__ = [
    "Comparison",
    "Encoder",
    "Evidence",
    "ModelCard",
    "PanglotError",
    "Pool",
    "Result",
    "Score",
    "Standings",
    "Task",
    "compare",
    "load_model",
    "load_pool",
    "load_task",
    "rank",
    "read_result",
    "run",
]

_MODULES = {
    "Comparison": "panglot.score.comparison.comparison",
    "Encoder": "panglot.encode.model",
    "Evidence": "panglot.retrieve.evidence",
    "ModelCard": "panglot.encode.model",
    "PanglotError": "panglot.errors",
    "PanglotEvaluator": "panglot.interop.evaluator",
    "Pool": "panglot.data.pool",
    "Result": "panglot.results.result",
    "Score": "panglot.score.bootstrap",
    "Standings": "panglot.score.comparison.standings",
    "Task": "panglot.data.task",
}
"""The module of each type; functions are in `panglot.api`. `PanglotEvaluator` is not in `__all__`, since importing it
imports sentence-transformers."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("panglot")
    if name not in __all__ and name not in _MODULES:
        raise AttributeError(f"module 'panglot' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES.get(name, "panglot.api")), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "PanglotEvaluator", "__version__"]
