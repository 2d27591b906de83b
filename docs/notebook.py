"""Run the notebook in examples/ and keep what its cells show: python docs/notebook.py (or make readme).

Cells run in this process, one after the other, as a kernel would run them; nothing is written but what they write.
"""

from __future__ import annotations

import ast
import io
import json
import os
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_model.ipynb"


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with the outputs of its cells made again, in a folder that is forgotten."""
    namespace: dict[str, Any] = {"__name__": "notebook"}
    with TemporaryDirectory() as folder, chdir(folder):
        return notebook | {"cells": list(_cells(notebook["cells"], namespace))}


def text(notebook: dict[str, Any]) -> str:
    """A notebook as its file holds it."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _cells(cells: list[dict[str, Any]], namespace: dict[str, Any]) -> Iterator[dict[str, Any]]:
    count = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            count += 1
            shown = list(_shown("".join(cell["source"]), namespace, count))
            cell = {**cell, "execution_count": count, "outputs": shown}
        yield cell


def _shown(source: str, namespace: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """What a cell prints, and what its last expression is."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    value = None
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), "cell", "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
    if printed.getvalue():
        yield {"name": "stdout", "output_type": "stream", "text": printed.getvalue().splitlines(keepends=True)}
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        if html := getattr(value, "_repr_html_", lambda: None)():
            data["text/html"] = html.splitlines(keepends=True)
        yield {"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"}


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    NOTEBOOK.write_text(text(executed(json.loads(NOTEBOOK.read_text(encoding="utf-8")))), encoding="utf-8")
