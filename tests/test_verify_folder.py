"""Verification of a folder: only the files of one submission belong there, and no link or device is read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from panglot.errors import BadResult
from panglot.results.evidence_file import evidence_file, read_evidence
from panglot.results.result import Result
from panglot.results.result_record import read_result_record
from panglot.trust.submission import card_of, write_card
from panglot.trust.verify import verify
from panglot.trust.verify_folder import verify_folder


@pytest.fixture
def written(starter_outcome: Callable[[str], Result], tmp_path: Path) -> Path:
    return starter_outcome("use-multilingual").save(tmp_path / "board")


def test_verify_rejects_files_that_are_not_of_a_submission(written: Path) -> None:
    moved = written.parent.rename(written.parent.with_name("another@1"))
    shutil.copy(moved / "starter.json", moved / "notes.txt")
    findings = " ".join(finding for verdict in verify_folder(moved) for finding in verdict.findings)
    assert "is not a file of a submission" in findings


def test_a_result_in_the_folder_of_another_model(written: Path) -> None:
    moved = written.parent.rename(written.parent.with_name("another@1"))
    (verdict,) = verify_folder(moved)
    assert "Move it to use-multilingual@" in verdict.findings[0]


def test_the_folder_of_several_models_is_no_submission(written: Path) -> None:
    shutil.copytree(written.parent, written.parent.with_name("another@1"))
    (verdict,) = verify_folder(written.parents[1])
    assert verdict.level == "failed"
    (finding,) = verdict.findings
    assert finding.endswith(f"holds the folders of models: another@1, {written.parent.name}. Name one of them.")


def test_links_are_not_followed(written: Path, tmp_path: Path) -> None:
    file = evidence_file(written, "top100")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert "is a link" in verify(written).findings[0]


@pytest.mark.parametrize(
    "name", ["card.json", "starter.json", "starter.attestation.json", "starter.top10.parquet", "x"]
)
def test_no_file_of_a_submission_may_be_a_link(written: Path, name: str, tmp_path: Path) -> None:
    for target in (tmp_path / "elsewhere", tmp_path / "nowhere"):
        file = written.parent / name
        if file.exists():
            file.rename(target)
        elif target.name == "elsewhere":
            target.write_text("{}", encoding="utf-8")
        file.unlink(missing_ok=True)
        file.symlink_to(target)
        verdicts = verify_folder(written.parent)
        assert any(
            verdict.level == "failed" and ("is a link" in finding or "is not a file" in finding)
            for verdict in verdicts
            for finding in verdict.findings
        ), verdicts


def test_devices_pipes_and_folders_are_not_read(written: Path) -> None:
    """A device never ends; `rank` and `show` do not read one either."""
    for name in ("zero.json", "zero.evidence.parquet", "zero.top10.parquet"):
        (written.parent / name).symlink_to("/dev/zero")
    os.mkfifo(written.parent / "pipe.json")
    (written.parent / "folder.json").mkdir()
    write_card(written.parent, card_of(read_result_record(written).model, ["starter"], {}))
    levels = {verdict.path.name: verdict.level for verdict in verify_folder(written.parent)}
    assert {name for name, level in levels.items() if level != "failed"} == {"starter.json", "card.json"}
    for name in ("zero", "pipe", "folder"):
        with pytest.raises(BadResult, match="is not a file"):
            read_result_record(written.with_name(f"{name}.json"))
    with pytest.raises(BadResult, match="is not a file"):
        read_evidence(written.with_name("zero.json"))


def test_what_is_named_like_a_folder_and_is_none_fails_alone(written: Path, tmp_path: Path) -> None:
    shutil.copy(written, tmp_path / "a@1.json")
    (tmp_path / "b@1").symlink_to(written.parent)
    (tmp_path / "c@1").symlink_to("c@1")
    for name in ("a@1.json", "b@1", "c@1"):
        (verdict,) = verify_folder(tmp_path / name)
        assert (verdict.level, verdict.path) == ("failed", tmp_path / name)
        assert "is a link or a file" in verdict.findings[0]
