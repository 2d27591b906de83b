"""`--json` of the verbs that train, on a small recipe."""

from __future__ import annotations

from pathlib import Path

from tests.test_commands_json import panglot
from tests.test_train_cli import folder  # noqa: F401


def test_train_prints_what_it_made(folder: Path) -> None:  # noqa: F811
    places = ["--out", str(folder / "models"), "--results", str(folder / "results")]
    made = panglot("train", str(folder / "small.toml"), *places, "--set", "training.steps=1")
    assert Path(made["folder"]).is_dir()
    assert [row["task"] for row in made["results"]] == ["starter"]


def test_ablate_prints_the_experiment(folder: Path) -> None:  # noqa: F811
    made = panglot("ablate", str(folder / "tiny.toml"), "--out", str(folder / "runs"), "--set", "training.steps=1")
    assert [name for name, *_ in made["arms"]] == ["mono", "cross"]
