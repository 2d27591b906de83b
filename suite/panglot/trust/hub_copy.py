"""A model of the Hub whose files hold nothing but numbers and words: what could run, or lead elsewhere, is left out."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from panglot.errors import BadEncoder, require, spelled
from panglot.hub import patiently

KEPT = ("*.json", "*.txt", "*.safetensors", "*.model")
"""Files that are fetched: configurations, vocabularies and weights, of which none is code or is unpickled."""

NOT_CONFIGURATION = frozenset({"tokenizer.json", "vocab.json", "unigram.json", "added_tokens.json"})
"""Words of a vocabulary; they name nothing to load."""

LARGEST_CONFIG = 16 << 20

LEADING = frozenset({"auto_map", "custom_pipelines", "kernel_config", "quantization_config"})
"""Keys by which a configuration has code run."""

SWITCHES = frozenset({"trust_remote_code", "use_kernels", "use_pretrained_backbone", "use_timm_backbone"})
"""Keys that do so where they are on."""

ORIGIN = frozenset({"_name_or_path", "name_or_path", "special_tokens_map_file", "tokenizer_file"})
"""Keys by which a configuration says where it came from, often a path on its author's machine. The copy leaves them
out: the files beside the configuration are read instead."""

RELATIVE = {"modules.json": "path", "tokenizer_config.json": "fast_tokenizer_files"}
"""By configuration, the key whose values are paths below the model's folder, where they stay in it."""

CLASS_KEYS = frozenset({"type", "activation_function", "tokenizer_class"})
"""Keys whose value, with a dot in it, some version of sentence-transformers imports."""

CLASSES = ("sentence_transformers.", "torch.nn.", "pylate.models.Dense.Dense")
"""Beginnings of the classes that a configuration may name; sentence-transformers reads the last as its own."""

_NAMES_FILES = re.compile(r"(?:^|_)(?:files?|filename|paths?|dirs?|directory|folder)$")
"""Keys whose value is opened, relative to the working folder if it is relative at all."""

_TEXTS = re.compile(
    r"content|prompts?|instructions?|vocab|stop_words|id2label|label2id|.*_(?:prompts?|templates?|tokens?)"
)
"""Keys of texts and tokens, which may look like anything; what a text may hold under them, no library opens."""

_OUTSIDE = re.compile(
    r"(?:^|[\s='\"])(?:[~/\\]|[a-z]:[/\\]|[a-z][a-z0-9+._-]+://|(?:hf[_-]hub|local-dir):)|(?:^|[\s='\"/\\])\.\.(?:[/\\]|$)",
    re.IGNORECASE,
)
"""An absolute or upward path, or an address, at the beginning of a word."""


@contextmanager
def harmless_copy(name: str, commit: str) -> Iterator[Path]:
    """Make a temporary folder with the files of a repository at a commit that are in `KEPT`.

    :param name: `org/name` on the Hub
    :param commit: 40 hexadecimal digits

    :raises MissingExtra: the library that fetches is not installed.
    :raises BadEncoder: it cannot be fetched, has no weights that are not pickled, or leads elsewhere.
    """
    require("huggingface_hub", "st", f"The model {name}")
    from huggingface_hub import snapshot_download

    try:
        fetch = partial(snapshot_download, name, revision=commit, allow_patterns=list(KEPT), token=False)
        fetched = Path(patiently(fetch))
    except Exception as error:
        raise BadEncoder(f"{name} at {commit} cannot be fetched from the Hub. {spelled(error)}") from error
    with TemporaryDirectory() as room:
        folder = Path(room, "model")
        for path in sorted(fetched.rglob("*")):
            if path.is_file() and any(path.match(pattern) for pattern in KEPT):
                _link(path.resolve(), folder / path.relative_to(fetched))
        check_harmless(name, folder)
        _forget_origins(folder)
        yield folder


def check_harmless(name: str, folder: Path) -> None:
    """Refuse a model that runs code, unpickles its weights, or reads what lies outside of its folder.

    :raises BadEncoder: naming the file and the key.
    """
    if not next(folder.rglob("*.safetensors"), None):
        raise BadEncoder(f"{name} has no safetensors weights, and pickled weights are not loaded. {_ADVICE}")
    for path in _configurations(folder):
        fault = _fault(path)
        if fault:
            raise BadEncoder(f"{name}: {path.relative_to(folder).as_posix()} {fault}. {_ADVICE}")


def _configurations(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.json")) if path.name not in NOT_CONFIGURATION]


def _forget_origins(folder: Path) -> None:
    """Leave `ORIGIN` out of the configurations of a checked copy, whose files may be links."""
    for path in _configurations(folder):
        content = json.loads(path.read_text(encoding="utf-8"))
        kept = _without_origins(content)
        if kept != content:
            path.unlink()
            path.write_text(json.dumps(kept), encoding="utf-8")


def _without_origins(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_origins(value) for key, value in content.items() if key not in ORIGIN}
    return [_without_origins(value) for value in content] if isinstance(content, list) else content


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
    return next(_faults(content, RELATIVE.get(path.name, "")), "")


def _faults(content: Any, relative: str, key: str = "") -> Iterator[str]:
    """What is wrong with a value that is found under a key, and with all that is in it."""
    if isinstance(content, dict):
        for inner, value in content.items():
            if inner in LEADING or (inner in SWITCHES and value is not False) or _names_model(inner, value):
                yield f"has the key {inner}"
            elif _OUTSIDE.search(inner) and not _TEXTS.fullmatch(key):
                yield f"has the key {inner[:200]!r}"
            elif inner not in ORIGIN:
                yield from _faults(value, relative, _inherited(key) or inner)
    elif isinstance(content, list):
        for value in content:
            yield from _faults(value, relative, key)
    elif isinstance(content, str) and (not _is_inner(content) if key == relative else _is_refused(key, content)):
        yield f"names {content[:200]!r} as its {key}"


def _names_model(key: str, value: Any) -> bool:
    """Whether a key names another model, of the Hub or in a folder, to load."""
    return key.endswith("name_or_path") and key not in ORIGIN and value is not None


def _inherited(key: str) -> str:
    """What the keys of an object mean, where that follows from the key of the object itself."""
    if key == "types":
        return "type"
    return key if key.endswith("_implementation") or _TEXTS.fullmatch(key) else ""


def _is_refused(key: str, value: str) -> bool:
    """Whether a value could have code run or a file opened that is not the model's."""
    if _TEXTS.fullmatch(key):
        return False
    if key in CLASS_KEYS and "." in value and not value.startswith(CLASSES):
        return True
    if key.endswith("_implementation") and not value.isidentifier():
        return True
    return bool((_NAMES_FILES.search(key) and value) or _OUTSIDE.search(value))


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
