"""A model of the Hub whose files hold nothing but numbers and words: what could run, or lead elsewhere, is left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from panglot.errors import BadEncoder, require, spelled

KEPT = ("*.json", "*.txt", "*.safetensors", "*.model")
"""Files that are fetched: configurations, vocabularies and weights, of which none is code or is unpickled."""

NOT_CONFIGURATION = frozenset({"tokenizer.json", "vocab.json"})
"""Words of a vocabulary; they name nothing to load."""

LARGEST_CONFIG = 16 << 20

LEADING = frozenset({"auto_map", "base_model_name_or_path", "custom_pipelines", "tokenizer_name_or_path"})
"""Keys by which a configuration has code run, or another model loaded."""

SWITCHES = frozenset({"trust_remote_code", "use_kernels", "use_pretrained_backbone", "use_timm_backbone"})
"""Keys that do so where they are on."""

ORIGIN = frozenset({"_name_or_path", "name_or_path"})
"""Keys by which a configuration says where it came from; nothing is loaded from there."""

CLASS_KEYS = frozenset({"type", "activation_function", "tokenizer_class"})
"""Keys whose value, with a dot in it, some version of sentence-transformers imports."""

CLASSES = ("sentence_transformers.", "torch.nn.", "pylate.models.Dense.Dense")
"""Beginnings of the classes that a configuration may name; sentence-transformers reads the last as its own."""


@contextmanager
def harmless_copy(name: str, commit: str) -> Iterator[Path]:
    """A folder with the files of a repository in the state of a commit, as far as they are `KEPT`.

    :raises MissingExtra: the library that fetches is not installed.
    :raises BadEncoder: it cannot be fetched, has no weights that are not pickled, or leads elsewhere.
    """
    require("huggingface_hub", "st", f"The model {name}")
    from huggingface_hub import snapshot_download

    try:
        fetched = Path(snapshot_download(name, revision=commit, allow_patterns=list(KEPT), token=False))
    except Exception as error:
        raise BadEncoder(f"{name} at {commit} cannot be fetched from the Hub. {spelled(error)}") from error
    with TemporaryDirectory() as room:
        folder = Path(room, "model")
        for path in sorted(fetched.rglob("*")):
            if path.is_file() and any(path.match(pattern) for pattern in KEPT):
                _link(path.resolve(), folder / path.relative_to(fetched))
        check_harmless(name, folder)
        yield folder


def check_harmless(name: str, folder: Path) -> None:
    """Refuse a model that runs code, unpickles its weights, or reads what lies outside of its folder.

    :raises BadEncoder: naming the file and the key.
    """
    if not next(folder.rglob("*.safetensors"), None):
        raise BadEncoder(f"{name} has no safetensors weights, and pickled weights are not loaded. {_ADVICE}")
    for path in sorted(folder.rglob("*.json")):
        if path.name in NOT_CONFIGURATION:
            continue
        fault = _fault(path)
        if fault:
            raise BadEncoder(f"{name}: {path.relative_to(folder).as_posix()} {fault}. {_ADVICE}")


_ADVICE = "If you trust it, pass its name with --model."


def _fault(path: Path) -> str:
    """What is wrong with a configuration, if anything."""
    if path.name == "adapter_config.json":
        return "makes it an adapter of another model"
    if path.stat().st_size > LARGEST_CONFIG:
        return f"is larger than {LARGEST_CONFIG >> 20} MiB"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return "is not JSON"
    if path.name.endswith(".index.json"):
        files = content.get("weight_map", {}).values() if isinstance(content, dict) else ()
        odd = [file for file in files if not (isinstance(file, str) and _is_inner(file) and file.endswith("tensors"))]
        return f"has weights in {odd[0]!r}" if odd else ""
    return next(_faults(content), "")


def _faults(content: Any, key: str = "") -> Iterator[str]:
    if isinstance(content, dict):
        for inner, value in content.items():
            if inner in LEADING or (inner in SWITCHES and value is not False):
                yield f"has the key {inner}"
            yield from _faults(value, "type" if key == "types" else inner)
    elif isinstance(content, list):
        for value in content:
            yield from _faults(value, key)
    elif isinstance(content, str):
        named = key in CLASS_KEYS and "." in content
        kernel = key.endswith("_implementation") and not content.isidentifier()
        outside = key.endswith("path") and key not in ORIGIN and not _is_inner(content)
        if (named and not content.startswith(CLASSES)) or kernel or outside:
            yield f"names {content!r} as its {key}"


def _is_inner(path: str) -> bool:
    """Whether a path stays in its folder, on any system."""
    windows = PureWindowsPath(path)
    return not (windows.drive or windows.root or ".." in windows.parts or PurePosixPath(path).is_absolute())


def _link(file: Path, target: Path) -> None:
    """A link to a file; a copy where the system has none for this user."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.symlink_to(file)
    except OSError:
        shutil.copyfile(file, target)
