"""A submission: the card of a model beside its results, packed into one file and unpacked without trusting it."""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Literal, TypeAlias

from pydantic import Field

from panglot.encode.card import ModelCard
from panglot.errors import BadResult, is_full
from panglot.fields import LINK, Dimension, Label, Line, Name, Parameters, Tokens, check_name
from panglot.files import write_whole
from panglot.results.naming import CARD as CARD
from panglot.results.record import FORMAT, Format, Record

TrainingState: TypeAlias = Literal["trained", "parent", "zero-shot", "unknown"]
"""On this task's data; on the data set that it was made from; declared to be on neither; not known."""

LARGEST_ZIP = 128 << 20
LARGEST_ENTRY = 128 << 20
LARGEST_TOTAL = 256 << 20
MOST_ENTRIES = 256
MOST_DIRECTORY_BYTES = 1 << 20
STEEPEST = 100
"""Times that an entry may be larger than its compressed form; text of scores reaches 10."""

FOLDER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}@[A-Za-z0-9_][A-Za-z0-9._+-]{0,119}")
"""As `result_folder` makes them."""

FILE_NAME = re.compile(
    r"(?!.*\.attestation\.json)[A-Za-z0-9][A-Za-z0-9._-]{0,150}(?:\.json|\.(?:evidence|top10|top100)\.parquet)"
)
"""Of the files that a submission brings; attestations are made where it arrives."""

_END = struct.Struct("<4s4H2LH")
_CHUNK = 1 << 16


class SubmissionCard(Record):
    """What a person says of a model beyond what its results say."""

    format: Format = FORMAT
    model: Name
    """As in the results."""
    revision: Name
    name: Name
    """As the leaderboard shows it."""
    organisation: Name
    licence: Name = "unknown"
    weights: Literal["open", "closed", "unknown"] = "unknown"
    parameters: Parameters | None = None
    dimension: Dimension | None = None
    max_length: Tokens | None = None
    modalities: Annotated[tuple[Literal["text", "image"], ...], Field(max_length=2)] = ("text",)
    languages: tuple[Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{2,8})*$")], ...] = Field(
        (), max_length=1000
    )
    """That the model was made for; none: not stated."""
    link: Annotated[str, Field(pattern=rf"^({LINK})?$")] = ""
    contact: Annotated[Line, Field(max_length=200)] = ""
    training: dict[Label, TrainingState] = Field(default_factory=dict)
    """For each task, whether the model has seen its data; `unknown` where a task is not named."""


def card_of(model: ModelCard, tasks: Iterable[str], stated: Mapping[str, object]) -> SubmissionCard:
    """Make the card of a model from its results.

    :param tasks: names of the tasks that there are results on
    :param stated: fields that a person states, which override those of the results
    :raises BadResult: a field is not valid.
    """
    organisation, _, name = model.name.rpartition("/")
    found = {
        "model": model.name,
        "revision": model.revision,
        "name": _described(name or model.name, model.settings),
        "organisation": organisation or "unknown",
        "licence": model.licence,
        "parameters": model.parameters,
        "dimension": model.dimension,
        "max_length": model.max_length,
    }
    training = {**dict.fromkeys(tasks, "unknown"), **dict(stated.get("training") or {})}  # type: ignore[call-overload]
    try:
        return SubmissionCard.model_validate({**found, **stated, "training": training})
    except ValueError as error:
        raise BadResult(f"The card cannot be made. {error}") from error


def _described(name: str, settings: Sequence[str]) -> str:
    """A model's name with what was changed of its configuration, if that can be part of a name."""
    changed = ", ".join(setting for setting in settings if setting != "debias_fit=corpus")
    described = f"{name} ({changed})" if changed else name
    try:
        return check_name(described)
    except ValueError:
        return name


def write_card(folder: Path, card: SubmissionCard) -> Path:
    """Write the card beside the results, keys sorted."""
    import json

    path = folder / CARD
    text = json.dumps(card.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def pack(folder: Path, target: Path) -> Path:
    """Pack a submission into one zip; the same files give the same bytes on any day and machine.

    Attestations are left out: they count only where they were made.
    """
    write_whole(target, partial(_zip, folder))
    return target


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.iterdir()):
            if FILE_NAME.fullmatch(path.name):
                entry = zipfile.ZipInfo(f"{folder.name}/{path.name}", (1980, 1, 1, 0, 0, 0))
                entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
                archive.writestr(entry, path.read_bytes())


def unpack(path: Path, into: Path) -> Path:
    """Unpack a submission into an empty folder.

    No size, count or name in the file is trusted: bytes are counted while they are written.

    :returns: the one folder that it holds
    :raises BadResult: it is not a zip, or holds anything but the files of one submission.
    """
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            folder = _check_entries(archive.infolist())
            (into / folder).mkdir()
            total = 0
            for entry in archive.infolist():
                total += _unfold(archive, entry, into / entry.filename, LARGEST_TOTAL - total)
    except (
        OSError,
        EOFError,
        MemoryError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        struct.error,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        if is_full(error):
            raise
        raise BadResult(f"{path} cannot be unpacked: {str(error)[:200] or type(error).__name__}") from error
    return into / folder


def _check_directory(path: Path) -> None:
    """Bound the list of entries before a library builds it in memory."""
    size = path.stat().st_size
    if not _END.size <= size <= LARGEST_ZIP:
        raise ValueError(f"it is empty or larger than {LARGEST_ZIP >> 20} MiB.")
    with path.open("rb") as file:
        file.seek(-min(size, _END.size + 20), os.SEEK_END)
        tail = file.read()
    signature, disk, first_disk, here, entries, length, start, comment = _END.unpack(tail[-_END.size :])
    if signature != b"PK\5\6" or comment or disk or first_disk or tail.startswith(b"PK\6\7"):
        raise ValueError("it is not a plain zip file, or it has a comment. Make it with panglot submit.")
    if here != entries or entries > MOST_ENTRIES or length > MOST_DIRECTORY_BYTES or start + length > size:
        raise ValueError(f"it lists more than {MOST_ENTRIES} files, or its directory is damaged.")
    if start + length + _END.size != size:
        raise ValueError("it has extra bytes before or after its files. Make it with panglot submit.")


def _check_entries(entries: list[zipfile.ZipInfo]) -> str:
    """The one folder that all entries lie in, if they are files of a submission and nothing else."""
    names = [_checked_name(entry) for entry in entries]
    if len(names) > MOST_ENTRIES or len({name.lower() for name in names}) < len(names):
        raise ValueError("two of its files have the same name, or names that differ only in case.")
    folders = {name.partition("/")[0] for name in names}
    if len(folders) != 1:
        raise ValueError(f"it holds {len(folders)} folders; a submission is a single folder.")
    return folders.pop()


def _checked_name(entry: zipfile.ZipInfo) -> str:
    name = entry.filename
    folder, _, file = name.partition("/")
    if name != entry.orig_filename or not (FOLDER_NAME.fullmatch(folder) and FILE_NAME.fullmatch(file)):
        raise ValueError(
            f"{entry.orig_filename[:80]!a} is not a file of a submission. Expected <model>@<revision>/card.json, "
            "<task>.json, <task>.evidence.parquet, <task>.top10.parquet and <task>.top100.parquet."
        )
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise ValueError(f"{name} is a link or a device, not a file.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
        raise ValueError(f"{name} is encrypted or uses an unsupported compression. Use store or deflate.")
    return name


def _unfold(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Write one entry, a piece at a time, and say how large it was."""
    most = min(LARGEST_ENTRY, left, STEEPEST * entry.compress_size + _CHUNK)
    written = 0
    with archive.open(entry) as source, target.open("xb") as file:
        for piece in _pieces(source):
            written += len(piece)
            if written > most:
                raise ValueError(f"{entry.filename} decompresses to more than {most:,} bytes.")
            file.write(piece)
    return written


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(_CHUNK):
        yield piece


def place(folder: Path, root: Path) -> Path:
    """Move an unpacked submission below the folder of submissions; an existing one is never overwritten.

    :returns: where it is now
    :raises BadResult: this revision of the model is there already, or the folder cannot be written.
    """
    taken = next((path for path in root.iterdir() if path.name.lower() == folder.name.lower()), None)
    if taken is not None:
        raise BadResult(
            f"{taken} already exists, and a revision is never overwritten. Score the model again under a new "
            "revision, or delete the old folder first."
        )
    target = root / folder.name
    try:
        folder.rename(target)
    except OSError as error:
        raise BadResult(f"{target} cannot be written. {error.strerror}.") from error
    return target
