"""Submissions as nobody should send them: refused quickly, in little memory, and nothing of them is run or resolved."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panglot.errors import BadResult
from panglot.results.evidence_file import read_evidence
from panglot.results.parquet import Columns, Form
from panglot.results.record import read_record
from panglot.results.result_record import ResultRecord, read_result_record
from panglot.trust.intake import take_in
from panglot.trust.rerun import Attestation
from panglot.trust.submission import SubmissionCard, pack, unpack
from panglot.trust.verify import verify
from panglot.trust.verify_folder import verify_folder
from tests.helpers.bombs import bombs
from tests.helpers.processes import python
from tests.helpers.submissions import make_submission
from tests.helpers.zips import entry_of_mode, write_zip

HOSTILE = int(os.environ.get("PANGLOT_HOSTILE", "70"))
SECONDS = 5
MEBIBYTES = 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small submission with its card."""
    return make_submission("random", tmp_path_factory.mktemp("made"))


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    return pack(folder, tmp_path / "sent.zip")


def test_receive_names_files_as_in_the_zip(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / folder.name))
    for file in copy.glob("*.top10.parquet"):
        file.write_bytes(b"PAR1")
    target, verdicts = take_in(pack(copy, tmp_path / "x.zip"), tmp_path / "board")
    assert target is None
    assert not list((tmp_path / "board").iterdir())
    assert {verdict.path.parent for verdict in verdicts} == {Path(folder.name)}
    said = " ".join(text for verdict in verdicts for text in (str(verdict.path), *verdict.findings, *verdict.unchecked))
    assert ".incoming" not in said
    assert str(tmp_path) not in said


NAMES = [
    "/etc/passwd",
    "../card.json",
    "m@1/../../card.json",
    "m@1/../card.json",
    "m@1/card.json/",
    "m@1/",
    "m@1",
    "card.json",
    "C:\\m@1\\card.json",
    "m@1\\card.json",
    "m@1/sub/card.json",
    "m@1/.card.json",
    "m@1/card.json.exe",
    "m@1/starter.attestation.json",
    "m@1/evil.py",
    "m@1/a\u202ejson.json",
    "m@1/саrd.json",
    "m@1/" + "x" * 10_000 + ".json",
    "..@1/card.json",
    "m@../card.json",
    "m/card.json",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_zip_that_are_refused(name: str, tmp_path: Path) -> None:
    _refused(write_zip(tmp_path / "x.zip", [(name, b"{}")]), tmp_path, "is not a file of a submission")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "holds 0 folders|not a plain zip"),
        ([("m@1/card.json", b"{}")] * 2, "the same name"),
        ([("m@1/card.json", b"{}"), ("m@1/Card.json", b"{}")], "differ only in case"),
        ([("m@1/card.json", b"{}"), ("n@1/card.json", b"{}")], "holds 2 folders"),
        ([(entry_of_mode(stat.S_IFLNK | 0o777), b"/etc/passwd")], "is a link or a device"),
        ([(entry_of_mode(stat.S_IFCHR | 0o777), b"")], "is a link or a device"),
        ([(entry_of_mode(stat.S_IFIFO | 0o777), b"")], "is a link or a device"),
        ([(f"m@1/t{n}.json", b"{}") for n in range(300)], "lists more than 256"),
        ([("m@1/card.json", b" " * (20 << 20))], "decompresses to more than"),
    ],
)
def test_zips_that_are_refused(entries: list[Any], message: str, tmp_path: Path) -> None:
    _refused(write_zip(tmp_path / "x.zip", entries), tmp_path, message)


def test_false_sizes_and_damaged_zips_are_refused(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    for name, changed, message in (
        ("comment", data[:-2] + b"\1\0x", "not a plain zip"),
        ("prefix", b"#!/bin/sh\n" + data, "extra bytes before"),
        ("zip64", data[:-22] + b"PK\6\7" + bytes(16) + data[-22:], "not a plain zip"),
        ("short", data[:-30], "not a plain zip"),
        ("empty", b"", "is empty"),
        ("count", data[:-14] + b"\xff\xff\xff\xff" + data[-10:], "lists more"),
        ("text", b"hello" * 100, "not a plain zip"),
    ):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(changed)
        _refused(path, tmp_path, message)
    big = write_zip(tmp_path / "lies.zip", [("m@1/card.json", bytes(1 << 20))]).read_bytes()
    lying = big.replace((1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    (tmp_path / "lies.zip").write_bytes(lying)
    _refused(tmp_path / "lies.zip", tmp_path, "cannot be unpacked")


def _refused(path: Path, tmp_path: Path, message: str) -> None:
    with pytest.raises(BadResult, match=message):
        take_in(path, tmp_path / "board")
    assert not list((tmp_path / "board").iterdir())
    assert {inner.name for inner in tmp_path.iterdir() if inner.suffix != ".zip"} == {"board"}


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage of a kind that parsers meet: flipped bytes, a cut, a doubled or a lost part."""
    changed = bytearray(data)
    kind = rng.integers(4)
    if kind == 0:
        for at in rng.integers(0, len(data), rng.integers(1, 20)):
            changed[at] = rng.integers(256)
    start = int(rng.integers(len(data)))
    stop = min(len(data), start + int(rng.integers(1, 200)))
    if kind == 1:
        del changed[start:]
    elif kind == 2:
        changed[start:start] = changed[start:stop]
    elif kind == 3:
        at = max(0, len(data) - int(rng.integers(1, 4000)))  # the footers
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


TOKENS = (b"NaN", b"Infinity", b"-1e999", b"9" * 400, b"[" * 100, b"{}", b'"\\u202e"', b"null", b"true", b"-0.0", b"[]")


def _mutated_json(data: bytes, rng: np.random.Generator) -> bytes:
    """A value in the text becomes another one."""
    import re

    values = list(re.finditer(rb'(?<=[:\[,] )(?:-?[\d.]+|"[^"]*")', data))
    found = values[rng.integers(len(values))]
    token = TOKENS[rng.integers(len(TOKENS))]
    return data[: found.start()] + token + data[found.end() :]


def test_damaged_submissions_are_refused_or_intact(folder: Path, tmp_path: Path) -> None:
    """Whatever is placed is verified; nothing but `BadResult` is raised; nothing is left behind."""
    names = sorted(path.name for path in folder.iterdir())
    slowest = 0.0
    for seed in range(HOSTILE):
        rng = np.random.default_rng(seed)
        files = {name: (folder / name).read_bytes() for name in names}
        chosen = names[rng.integers(len(names))]
        damage = _mutated_json if chosen.endswith(".json") and rng.random() < 0.7 else _mutated
        whole = rng.random() < 0.2
        if not whole:
            files[chosen] = damage(files[chosen], rng)
        path = write_zip(tmp_path / "x.zip", [(f"random@1/{name}", data) for name, data in files.items()])
        if whole:
            path.write_bytes(_mutated(path.read_bytes(), rng))
        start = time.process_time()
        try:
            target, _ = take_in(path, tmp_path / "board")
        except BadResult:
            target = None
        slowest = max(slowest, time.process_time() - start)
        if target:
            assert all(verdict.level != "failed" for verdict in verify_folder(target)), seed
            shutil.rmtree(target)
        assert not list((tmp_path / "board").iterdir())
        assert {inner.name for inner in tmp_path.iterdir()} == {"x.zip", "board"}
    assert slowest < SECONDS


@settings(max_examples=HOSTILE, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.text(max_size=40), folder=st.text(max_size=20), content=st.binary(max_size=300))
def test_any_names_in_a_zip(name: str, folder: str, content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("any")
    try:
        path = write_zip(root / "x.zip", [(f"{folder}@1/{name}", content), (name, content)])
    except (ValueError, IndexError):
        return
    with pytest.raises(BadResult):
        take_in(path, root / "board")
    assert {inner.name for inner in root.iterdir()} <= {"x.zip", "board"}
    shutil.rmtree(root)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=HOSTILE, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=JSONS)
def test_any_json_is_refused(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    for kind in (ResultRecord, SubmissionCard, Attestation):
        with pytest.raises(BadResult):
            read_record(path, kind)
    assert verify(path).level == "failed"


@settings(max_examples=HOSTILE, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=2000), ends=st.booleans())
def test_random_bytes_are_rejected_as_parquet(
    data: bytes, ends: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    path.write_bytes(b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1" if ends else data)
    with pytest.raises(BadResult):
        Columns(path, lambda _: Form({}))


@pytest.mark.parametrize("more", [0, 100, 4_000, 6_000, 9_000, 12_000, 200_000])
def test_an_extension_type_is_never_resolved(more: int, tmp_path: Path) -> None:
    """However long the schema is: its length stands before it, in bytes that can be letters of its own alphabet."""
    resolved = []

    class Trap(pa.ExtensionType):
        def __init__(self) -> None:
            super().__init__(pa.int32(), "panglot.trap")

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Trap:
            resolved.append(serialized)
            return cls()

    pa.register_extension_type(Trap())
    try:
        table = pa.table({"group": pa.ExtensionArray.from_storage(Trap(), pa.array([1], pa.int32()))})
        pq.write_table(table.replace_schema_metadata({"more": "x" * more}), tmp_path / "x.parquet")
        resolved.clear()
        with pytest.raises(BadResult, match="names an extension type"):
            Columns(tmp_path / "x.parquet", lambda _: Form({"group": pa.int32()}))
        assert not resolved
    finally:
        pa.unregister_extension_type("panglot.trap")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"a": pa.array([1], pa.int64())}), "columns are not"),
        (pa.table({"a": pa.array([None], pa.int32())}), "empty cells"),
        (pa.table({"b": pa.array([1], pa.int32())}), "columns are not"),
        (pa.table({"a": pa.array([[1]])}), "columns are not"),
        (pa.table({}), "columns are not"),
    ],
)
def test_tables_of_other_forms_are_refused(table: pa.Table, message: str, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(BadResult, match=message):
        Columns(tmp_path / "x.parquet", lambda _: Form({"a": pa.int32()})).numbers("a")


CHILD = """
import resource, sys, time
from pathlib import Path
from panglot.trust.intake import take_in
from panglot.errors import BadResult
resource.setrlimit(resource.RLIMIT_AS, (AT_MOST << 20, AT_MOST << 20))
for path in sys.argv[2:]:
    start = time.process_time()
    try:
        target, verdicts = take_in(Path(path), Path(sys.argv[1]))
        said = "failed" if target is None else "TAKEN"
        text = " ".join(finding for verdict in verdicts for finding in verdict.findings)
    except BadResult as error:
        said, text = "BadResult", str(error)
    # not getrusage, whose peak counts the parent's memory from before this program was loaded
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) >> 10
    print(f"{time.process_time() - start:.2f} {peak} {said} {Path(path).name} {text[:90]!r}")
"""


def test_bombs_are_refused_at_low_cost(folder: Path, tmp_path: Path) -> None:
    paths = []
    for number, (name, content) in enumerate(bombs(folder)):
        files = {path.name: path.read_bytes() for path in folder.iterdir()} | {name: content}
        entries = [(f"random@1/{file}", data) for file, data in files.items()]
        paths.append(write_zip(tmp_path / f"{number}.zip", entries, zipfile.ZIP_STORED))
    (tmp_path / "board").mkdir()
    done = python(
        CHILD.replace("AT_MOST", "2000"), tmp_path / "board", *paths, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths)
    for line in lines:
        seconds, peak, said, *_ = line.split()
        assert float(seconds) < SECONDS, line
        assert int(peak) < MEBIBYTES, done.stdout
        assert said in ("failed", "BadResult"), line


def test_read_evidence_refuses_altered_schema(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    path = copy / "starter.de-en.evidence.parquet"
    data = path.read_bytes()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    start = footer.index(b"ARROW:schema")
    assert base64.b64decode(footer[footer.index(b"/////", start) :][:40])
    path.write_bytes(data.replace(b"ARROW:schema", b"ARROW:schemb"))
    with pytest.raises(BadResult, match="cannot be read"):
        read_evidence(copy / "starter.de-en.json")
    assert read_result_record(copy / "starter.de-en.json").evidence


def test_unpack_takes_only_an_empty_place(archive: Path, tmp_path: Path) -> None:
    unpack(archive, tmp_path)
    with pytest.raises(BadResult, match="cannot be unpacked"):
        unpack(archive, tmp_path)
