"""Where the files of the repository lie once they are installed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
FOLDERS = tuple(sorted({Path(folder).parts[0] for folder in SETTINGS["package-dir"].values()}))


def installed_path(path: Path) -> Path:
    """The path below site-packages of a file or folder of the repository."""
    inside = path.relative_to(ROOT)
    for package, folder in SETTINGS["package-dir"].items():
        if inside.is_relative_to(folder):
            return Path(*package.split(".")) / inside.relative_to(folder)
    raise ValueError(f"{path} is in no package")


def package_name(folder: Path) -> str:
    """The dotted name of a folder that is a package."""
    return ".".join(installed_path(folder).parts)
