"""A user's own data as a task: a folder in the BEIR layout, or a table of pairs; the path may end with settings.

./folder                corpus.jsonl, queries.jsonl, and qrels.tsv or qrels/test.tsv; each can be a table instead
./folder?split=dev      the judgements of qrels/dev.tsv
./pairs.csv             a table of queries and passages; also as the only table in a folder
./pairs.csv?detect=all  the languages of items that name none are detected
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from panglot.data.readers import folder as beir
from panglot.data.readers import pairs
from panglot.data.readers.own import Read
from panglot.data.readers.tables import PARQUET, SUFFIXES, is_table
from panglot.data.task import Size, Source, Task
from panglot.errors import BadData, MissingData, UnknownName

TEST = "test"
"""The split that is read by default; BEIR keeps its judgements in `qrels/test.tsv`."""

SETTINGS = ("split", "detect")

_ENDINGS = {".jsonl": (".jsonl", *SUFFIXES), ".tsv": (*SUFFIXES, ".txt")}
"""Endings that may replace that of a file in the BEIR layout."""
_SPLIT = re.compile(r"\w[\w.-]*")


class _Layout(NamedTuple):
    """Files by part, and how they are read; `note` says what was chosen for the user."""

    files: Mapping[str, str]
    read: Callable[[Mapping[str, Path], str], Read]
    note: str = ""


def names_own_data(name: str) -> bool:
    """Whether a name is that of a user's own files: an existing file or folder, or anything with a slash."""
    path = _split(name)[0]
    return "/" in path or os.path.exists(path)


def with_settings(names: Sequence[str], settings: Mapping[str, str]) -> list[str]:
    """Return names of tasks with these settings added to those of own data; settings without a value are left out.

    :raises BadData: there are settings, but no own data.
    """
    added = "&".join(f"{key}={value}" for key, value in settings.items() if value)
    if not added:
        return list(names)
    if not any(map(names_own_data, names)):
        raise BadData(f"{', '.join(names)}: a split or a detection of languages is for your own data only.")
    return [f"{name}{'&' if _split(name)[1] else '?'}{added}" if names_own_data(name) else name for name in names]


def own_task(name: str) -> Task:
    """Read and check a user's own data and return it as a task.

    :raises UnknownName: there is no such setting.
    :raises MissingData: the folder, a file or the split does not exist.
    :raises BadData: a line or row is not valid, an id is duplicated, or a judgement names an unknown id.
    """
    path, settings = _split(name)
    split, detect = settings.get("split", ""), settings.get("detect", "")
    folder, layout = _find(Path(path), split)
    pool, remarks = layout.read({part: folder / file for part, file in layout.files.items()}, detect)
    queries = Counter(pool.queries.language.tolist())
    task = _name(Path(path)) + (f"-{split}" if split not in ("", TEST) else "")
    return Task(
        name=task,
        title=f"Own data in {task}",
        sizes={
            language: Size(queries[place], candidates)
            for place, (language, candidates) in enumerate(zip(pool.languages, pool.sizes.tolist(), strict=True))
        },
        source=Source(
            task, {part: (file, _sha256(folder / file)) for part, file in layout.files.items()}, packaged=folder
        ),
        reader=lambda _: pool,  # read and checked above; whoever asks again has the files' SHA-256 compared first
        headline="ndcg@10",
        fingerprint=pool.fingerprint,
        licence="unknown",
        note="User's own data; not part of the benchmark.",
        remarks=(layout.note, *remarks) if layout.note else remarks,
    )


def _split(name: str) -> tuple[str, dict[str, str]]:
    """Return the path and the settings after its question mark; a path that exists is never split.

    Names of folders can contain question marks too, so the longest path that exists counts.
    """
    marks = [place for place, character in enumerate(name) if character == "?"]
    place = next((place for place in reversed(marks) if os.path.exists(name[:place])), marks[0] if marks else 0)
    path, rest = name[:place], name[place + 1 :]
    if not marks or os.path.exists(name) or ("/" in rest and not os.path.exists(path)):
        return name, {}
    settings = dict(part.partition("=")[::2] for part in rest.split("&"))
    for key, value in settings.items():
        if key not in SETTINGS:
            raise UnknownName("setting", key, SETTINGS)
        if not value:
            raise BadData(f"{name}: the setting '{key}' has no value, e.g. {path}?split=dev")
    if not _SPLIT.fullmatch(settings.get("split", TEST)):
        raise BadData(f"{name}: '{settings['split']}' is not the name of a split, such as dev.")
    return path, settings


def _find(path: Path, split: str) -> tuple[Path, _Layout]:
    """Return the folder of the files, and their layout."""
    if os.path.isfile(path):
        if not is_table(path.name):
            raise BadData(
                f"{path} is not a table; its name must end with .csv, .tsv or .parquet. Or give the folder that "
                f"contains {', '.join(beir.FILES)}."
            )
        return path.parent, _table(path.name, split)
    if not os.path.isdir(path):
        raise MissingData(
            f"{path} does not exist. Give a table (.csv, .tsv, .parquet), or the folder that contains "
            f"{', '.join(beir.FILES)}."
        )
    inside = os.listdir(path)
    tables = sorted(
        name for name in inside if is_table(name) and not name.startswith((".", "qrels")) and _is_file(path / name)
    )
    items = [_named(path, file) for file in beir.FILES[:2]]
    judged = any(items) and any(name.startswith("qrels") for name in inside)
    if tables and not all(items) and not judged and not any(".jsonl" in name for names in items for name in names):
        if len(tables) > 1:
            raise BadData(
                f"{path} contains several tables, {', '.join(tables[:5])}. Give one, e.g. {path / tables[0]}."
            )
        return path, _table(tables[0], split)._replace(note=f"{path}: read {tables[0]}.")
    return path, _beir(path, split, tables)


def _table(name: str, split: str) -> _Layout:
    if split:
        raise BadData(f"{name} is a table, which has no splits. Remove split={split}, or give the table of that split.")
    return _Layout({pairs.PART: name}, pairs.read_with_remarks)


def _beir(folder: Path, split: str, tables: Sequence[str]) -> _Layout:
    """The three files of the BEIR layout; each can be gzipped, or one of the tables of the folder."""
    found, missing = dict[str, str](), list[str]()
    for part in beir.FILES:
        choices = [f"qrels/{split}.tsv"] if part == "qrels.tsv" and split else [part]
        here = [name for choice in choices for name in _named(folder, choice)]
        if not here and part == "qrels.tsv" and not split:
            here = _named(folder, f"qrels/{TEST}.tsv")
        if len(here) > 1:
            raise BadData(f"{folder} contains both {here[0]} and {here[1]}. Remove one of them.")
        if here:
            found[part] = here[0]
        else:
            missing += choices
    if missing:
        *others, last = missing
        without = f"neither {', '.join(others)} nor {last}" if others else f"no {last}"
        raise MissingData(f"{folder} has {without}. {_advice(folder, missing)}")
    read = list(found.values())
    others = [name for name in tables if name not in read] + ["qrels/"] * (
        "/" not in found["qrels.tsv"] and (folder / "qrels").exists()
    )
    note = f"{folder}: read {', '.join(read)}" + (f", not {', '.join(others[:5])}." if others else ".")
    return _Layout(found, beir.read_with_remarks, "" if read == list(beir.FILES) and not others else note)


def _named(folder: Path, name: str) -> list[str]:
    """The files of this name, with any ending that can stand in for its own."""
    stem, ending = os.path.splitext(name)
    names = [stem + other + packed for other in _ENDINGS[ending] for packed in ("", ".gz")[: 1 + (other != PARQUET)]]
    return [each for each in names if _is_file(folder / each)]


def _is_file(path: Path) -> bool:
    """Whether there is a file, or a folder in its place, which is told when it is read; a pipe may have no end."""
    return os.path.isfile(path) or os.path.isdir(path)


def _advice(folder: Path, missing: Sequence[str]) -> str:
    splits = sorted({_stem(path) for path in (folder / "qrels").glob("*") if is_table(path.name)})
    if splits and all(name.startswith("qrels") for name in missing):
        return f"Its folder qrels/ has {', '.join(splits)}: add e.g. --split {splits[0]}."
    inner = sorted(path.parent for name in _ENDINGS[".jsonl"] for path in folder.glob(f"*/corpus{name}*"))
    if inner:
        return f"Its folder {inner[0].name} has data: give {inner[0]}."
    return f"A data folder contains {', '.join(beir.FILES)}, or one table (.csv, .tsv, .parquet)."


def _name(path: Path) -> str:
    """The name of a folder, or of a table without its ending."""
    name = path.resolve().name
    if os.path.isfile(path):
        name = _stem(path.resolve())
    name = name or "data"
    if not name.isprintable():
        raise BadData(f"The name {name!a} contains non-printable characters. Rename the file or folder.")
    return name


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
