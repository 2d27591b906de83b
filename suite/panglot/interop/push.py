"""Upload a trained model to the Hugging Face Hub, without anything that only this machine needs or knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from panglot.errors import BadEncoder, PanglotError, require, spelled
from panglot.hub import connection_fault, patiently

OF_TRAINING = (
    "checkpoint-*",
    "*.training",
    "optimizer.*",
    "scheduler.*",
    "scaler.*",
    "rng_state*",
    "trainer_state.json",
    "training_args.bin",
    "events.out.*",
    "runs",
    "tensorboard",
    "wandb",
)
"""Names of files and folders with the state and logs of training, which are not part of a model."""

WRITTEN = (".json", ".md", ".txt", ".yaml", ".yml")
LARGEST_WRITTEN = 1 << 20
"""Bytes of the largest text file in which local paths are looked for; larger ones are vocabularies."""

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_ABSOLUTE = re.compile(r"(?<![\w/.:~-])/(?:[\w.@+-]+/)+[\w.@+-]+|\b[A-Za-z]:\\[^\s\"']+")


def files_of(folder: Path) -> list[Path]:
    """The files of a model to upload: all but hidden ones and the state of training, sorted.

    :raises BadEncoder: the folder does not exist, or is not a sentence-transformers model.
    :raises PanglotError: a file is a link, or names a file or folder of this machine.
    """
    if not folder.exists():
        raise BadEncoder(f"{folder} does not exist. Pass the folder of a model, as made by panglot train.")
    if not (folder / "modules.json").is_file():
        raise BadEncoder(f"{folder} is not a sentence-transformers model: it has no modules.json.")
    files = [path for path in sorted(folder.rglob("*")) if _is_public(path.relative_to(folder)) and not path.is_dir()]
    for path in files:
        if path.is_symlink():
            raise PanglotError(f"{path} is a link. Replace it by the file itself.")
        for named in _local_paths(path):
            raise PanglotError(f"{path} names {named}, which is on this machine. Remove the path from the file.")
    return files


def push(folder: Path, repository: str, files: Sequence[Path], private: bool = False, api: Any = None) -> str:
    """Upload files of a folder to a Hub repository in one commit, and return its address; creates the repository.

    :param files: see `files_of`.
    :param api: a `huggingface_hub.HfApi`; by default one with the user's own login.
    :raises PanglotError: the name is not of the form ORG/NAME, or the Hub cannot be reached or refuses.
    :raises MissingExtra: huggingface_hub is not installed.
    """
    check_repository(repository)
    require("huggingface_hub", "st", "panglot push")
    from huggingface_hub import CommitOperationAdd, HfApi

    added = [
        CommitOperationAdd(path.relative_to(folder).as_posix(), _content(path, folder, repository)) for path in files
    ]
    api = api or HfApi()
    if fault := connection_fault():
        raise PanglotError(f"{folder} cannot be uploaded: the Hugging Face Hub cannot be reached: {fault}.")
    try:
        address = patiently(lambda: api.create_repo(repository, private=private, exist_ok=True))
        patiently(lambda: api.create_commit(repository, added, commit_message="Upload with panglot push"))
    except Exception as error:
        raise PanglotError(
            f"{repository} cannot be written on the Hub. {spelled(error)} Check the name and the network, and log in "
            "with: hf auth login"
        ) from error
    return str(address)


def check_repository(name: str) -> None:
    """Check that a name is of the form ORG/NAME.

    :raises PanglotError: it is not.
    """
    if not _REPOSITORY.fullmatch(name):
        raise PanglotError(f"'{name}' is not the name of a Hub repository. Write it as ORG/NAME.")


def _is_public(path: Path) -> bool:
    parts = path.parts
    return not any(part.startswith(".") or any(fnmatch(part, name) for name in OF_TRAINING) for part in parts)


def _local_paths(path: Path) -> Iterator[str]:
    """Absolute paths in a text file that exist on this machine or are in the user's home folder."""
    if path.suffix not in WRITTEN or path.stat().st_size > LARGEST_WRITTEN:
        return
    home = str(Path.home())
    for found in _ABSOLUTE.findall(path.read_text(encoding="utf-8", errors="replace").replace("\\\\", "\\")):
        if found.startswith(f"{home}/") or Path(found).exists():
            yield found


def _content(path: Path, folder: Path, repository: str) -> bytes | str:
    """The path of a file, or the card with the repository in place of the folder's name in its example."""
    if path != folder / "README.md":
        return str(path)
    text = path.read_text(encoding="utf-8")
    return re.sub(r"SentenceTransformer\(\"[^\"]*\"\)", f'SentenceTransformer("{repository}")', text).encode()
