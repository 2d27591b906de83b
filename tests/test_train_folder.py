"""The folders of a run: one run at a time, nothing of others deleted, and advice if the disk is full."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError

from panglot.errors import BadData, PanglotError
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.run.folder import claimed, replace_folder
from panglot.train.run.record import RECIPE
from panglot.train.steps.trainer import writing
from tests.helpers.killing import Killed


def recipe(seed: int = 1) -> Recipe:
    return make_recipe({"name": "small", "seed": seed, "text": {"kind": "static"}, "data": [{"name": "terms"}]})


def test_second_run_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    with (
        claimed(recipe(), tmp_path / "small"),
        pytest.raises(BadData, match=r"Another run is training .*small\. Wait for it, or choose another folder"),
        claimed(recipe(), tmp_path / "small"),
    ):
        pass
    with claimed(recipe(), tmp_path / "small") as work:
        assert work.name == "small.training"


@pytest.mark.parametrize("made", ["file", "folder of a stranger", "model of another recipe"])
def test_what_a_run_did_not_make_is_not_replaced(tmp_path: Path, made: str) -> None:
    folder = tmp_path / "small"
    if made == "file":
        folder.write_text("mine", encoding="utf-8")
    else:
        folder.mkdir()
        (folder / ("notes.txt" if "stranger" in made else RECIPE)).write_text("mine", encoding="utf-8")
    with pytest.raises(BadData, match="was not made by a run of this recipe"), claimed(recipe(), folder):
        pass


def test_run_that_made_no_checkpoint_leaves_its_folder_to_a_corrected_recipe(tmp_path: Path) -> None:
    with claimed(recipe(), tmp_path / "small") as work:
        pass
    with claimed(recipe(seed=2), tmp_path / "small"):
        (work / "checkpoint-1").mkdir()
    with pytest.raises(BadData, match="belongs to a run of another recipe"), claimed(recipe(), tmp_path / "small"):
        pass


def test_folder_is_replaced_only_by_a_complete_model(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()

    def write(unfinished: Path) -> None:
        unfinished.mkdir(parents=True)
        (unfinished / "model").write_text("new", encoding="utf-8")

    def fail(unfinished: Path) -> None:
        write(unfinished)
        raise Killed

    with pytest.raises(Killed):
        replace_folder(folder, fail)
    assert not list(folder.iterdir())
    replace_folder(folder, write)
    assert [path.name for path in folder.iterdir()] == ["model"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_full_disk_is_advice_and_leaves_no_partial_checkpoint(tmp_path: Path, error: Exception) -> None:
    checkpoint = tmp_path / "checkpoint-4"
    checkpoint.mkdir()
    with (
        pytest.raises(PanglotError, match=r"checkpoint-4 cannot be written\..*If the disk is full, free some space"),
        writing(checkpoint),
    ):
        raise error
    assert not checkpoint.exists()
