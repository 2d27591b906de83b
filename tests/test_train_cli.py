"""`panglot train` and `panglot ablate` as a person types them, on forty made questions and the starter set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.errors import BadData
from panglot.train.ablation.experiment import read_experiment
from panglot.train.data.leak import check_leaks
from panglot.train.data.read import read_pairs
from panglot.train.recipes.recipe_file import read_recipe
from tests.helpers.command import json_of
from tests.helpers.images import numbered
from tests.helpers.killing import Killed, killing_at
from tests.helpers.processes import python
from tests.helpers.recipes import write_recipe
from tests.helpers.tasks import TASKS

GRID = """
name = "tiny"
title = "Two arms"
recipe = "small.toml"
seeds = [1]
[arms.mono]
title = "one language"
set = { "sampler.kind" = "mono" }
[arms.cross]
title = "two languages"
set = { "sampler.kind" = "cross" }
"""


OWN = """
name = "own"
languages = ["de", "en"]
evaluation = ["starter"]
text = { kind = "static", dimension = 16, vocabulary = 300 }
image = { base = "FOLDER/vision" }
sampler = { gamma = 0.5 }
training = { steps = 4, batch = 4, learning_rate = 0.05 }
[[data]]
name = "faq"
source = "FOLDER/pairs.csv"
query = "question"
passage = "answer"
language = "lang"
group = "id"
[[images]]
name = "photos"
source = "FOLDER/photos"
language = "lang"
"""


def save_vision(folder: Path) -> None:
    """A vision model of random weights."""
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    ViTModel(ViTConfig(image_size=32, patch_size=16, **sizes)).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, a grid and their data; leaks are looked for in the starter set alone."""
    write_recipe(tmp_path)
    (tmp_path / "tiny.toml").write_text(GRID, encoding="utf-8")
    monkeypatch.setattr("panglot.data.catalogue.known_tasks", lambda: {"starter": TASKS["starter"]})
    return tmp_path


def panglot(*arguments: str) -> str:
    """What the command says; its error, where it ends in one, is raised."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "120"}).output


def train_in(folder: Path, *changes: str) -> str:
    places = ["--out", str(folder / "models"), "--results", str(folder / "results")]
    return panglot("train", str(folder / "small.toml"), *places, *(part for c in changes for part in ("--set", c)))


@pytest.mark.parametrize("verb", ["train", "ablate"])
def test_help_names_every_option(verb: str) -> None:
    said = panglot(verb, "--help")
    for option in ("--set", "--out", "--data-dir"):
        assert option in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("data.0.name=ntrx", "unknown data set 'ntrx'"),
        ("sampler.alpha=2", "must be at most 1"),
        ("sampler.gamma=0.5", "gamma > 0 needs an image set"),
        ("evaluation=['xquad']", "did you mean"),
        ("training.step=3", "training.step: unknown key (did you mean steps?)"),
    ],
)
def test_mistakes_are_reported_before_torch_is_loaded(tmp_path: Path, change: str, said: str) -> None:
    program = (
        "import sys\nfrom panglot.cli.main import app\nfrom panglot.errors import PanglotError\n"
        "try:\n    app()\nexcept PanglotError as error:\n    print(error)\nprint('torch' in sys.modules)"
    )
    arguments = ["train", "static-hybrid", "--out", str(tmp_path / "models"), "--set", change]
    done = python(program, *arguments)
    assert said.lower() in done.stdout.lower()
    assert done.stdout.split()[-1] == "False"
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("verb", "name", "said"),
    [
        ("train", "static", "static is an ablation grid, not a single recipe. Run: panglot ablate static"),
        (
            "ablate",
            "static-hybrid",
            "static-hybrid is a single recipe, not an ablation grid. Run: panglot train static-hybrid",
        ),
    ],
)
def test_a_recipe_is_not_taken_for_an_ablation(verb: str, name: str, said: str) -> None:
    with pytest.raises(BadData, match=re.escape(said)):
        panglot(verb, name)


def test_a_language_without_pairs_is_reported_before_the_base_is_loaded(folder: Path) -> None:
    with pytest.raises(BadData, match="No data set has enough pairs for mono batches of 8 in 'fr'"):
        train_in(folder, "languages=['de', 'en', 'fr']", "text.base=nowhere/at-all")


def test_train_scores_what_it_made_and_goes_on_where_it_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = train_in(folder, "name=whole")
    assert "6 steps" in said
    assert "starter" in said
    card = (folder / "models" / "whole" / "README.md").read_text(encoding="utf-8")
    assert "| starter | map |" in card
    assert len(list((folder / "results").glob("whole@*/starter.json"))) == 1

    with monkeypatch.context() as patched:
        patched.setattr("panglot.cli.view.terminal.progress_bar", killing_at(3))
        with pytest.raises(Killed):
            train_in(folder, "name=cut")
    assert not (folder / "models" / "cut" / "model.safetensors").exists()
    train_in(folder, "name=cut")
    weights = [load_file(next((folder / "models" / name).rglob("model.safetensors"))) for name in ("whole", "cut")]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def test_finished_model_is_not_trained_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_in(folder)
    made = (folder / "models" / "small" / "recipe.json").stat().st_mtime_ns
    monkeypatch.setattr("panglot.train.run.train.train", None)
    said = train_in(folder, "training.report_to=[]")
    assert "is finished and is not trained again" in said
    assert "starter" in said
    assert (folder / "models" / "small" / "recipe.json").stat().st_mtime_ns == made


def test_own_table_and_own_images_end_with_a_scored_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a CSV of pairs and a folder of captioned images, with no data folder and no network."""
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    save_vision(tmp_path / "vision")
    (tmp_path / "photos").mkdir()
    captions, pairs = ["image,caption,lang"], ["question,answer,lang,id"]
    for n in range(12):
        (tmp_path / "photos" / f"{n}.png").write_bytes(numbered(n * 20))
        captions += [f"{n}.png,{language} picture {n},{language}" for language in ("de", "en")]
        pairs += [f"{language} question{n},{language} answer{n},{language},{n}" for language in ("de", "en")]
    (tmp_path / "photos" / "captions.csv").write_text("\n".join(captions), encoding="utf-8")
    (tmp_path / "pairs.csv").write_text("\n".join(pairs), encoding="utf-8")
    (tmp_path / "own.toml").write_text(OWN.replace("FOLDER", str(tmp_path)), encoding="utf-8")
    places = ["--out", str(tmp_path / "models"), "--results", str(tmp_path / "results")]
    said = panglot("train", str(tmp_path / "own.toml"), *places)
    assert "Leak check: compared with starter. Not compared: " in said
    card = (tmp_path / "models" / "own" / "README.md").read_text(encoding="utf-8")
    assert "| photos | 0 | 0 | 24 |" in card
    assert "Not compared, data not available: xquad-r, " in card
    assert len(list((tmp_path / "results").glob("own@*/starter.json"))) == 1


def test_tiny_trains_from_the_package_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    save_vision(tmp_path / "vision")
    places = ["--out", str(tmp_path / "models"), "--results", str(tmp_path / "results")]
    said = panglot("train", "tiny", *places, "--set", "training.steps=2", "--set", f"image.base={tmp_path}/vision")
    assert "2 steps" in said
    assert len(list((tmp_path / "results").glob("tiny@*/starter.json"))) == 1


@pytest.mark.usefixtures("real_data")
def test_the_sample_holds_nothing_of_an_evaluation_task() -> None:
    pairs = read_pairs(read_recipe(Path("tiny")))
    assert pairs.sets == ("ntrex_sample", "emoji_sample")
    assert len(pairs.languages) == 11
    assert len(pairs.images) == 100
    tasks = [TASKS[name] for name in ("xquad-r", "mlqa-r", "emoji-t2i", "starter")]
    found = check_leaks(pairs, tasks)
    assert found.compared == ("xquad-r", "mlqa-r", "emoji-t2i", "starter")
    assert sum(leak.exact for leak in found.leaks) == 0


def test_ablate_makes_what_is_not_there_yet(folder: Path) -> None:
    places = ["--out", str(folder / "runs")]
    grid = [str(folder / "tiny.toml"), *places, "--set", "training.steps=3"]
    with pytest.raises(BadData, match="contains no finished model of tiny"):
        panglot("ablate", *grid, "--finished")
    said = panglot("ablate", *grid)
    for part in ("1/2 tiny-mono-1", "2/2 tiny-cross-1", "starter, map", "tiny.json"):
        assert part in said
    assert [arm.name for arm in read_experiment(folder / "runs" / "tiny.json").arms] == ["mono", "cross"]
    assert (folder / "runs" / "tiny.png").is_file()

    made = {arm: folder / "runs" / "models" / f"tiny-{arm}-1" / "README.md" for arm in ("mono", "cross")}
    before = {arm: path.stat().st_mtime_ns for arm, path in made.items()}
    (folder / "runs" / "models" / "tiny-cross-1.training" / "training.json").unlink()
    panglot("ablate", *grid, "--finished", "--table", str(folder / "half.json"))
    assert [arm.name for arm in read_experiment(folder / "half.json").arms] == ["mono"]
    panglot("ablate", *grid)
    after = {arm: path.stat().st_mtime_ns for arm, path in made.items()}
    assert after["mono"] == before["mono"]
    assert after["cross"] > before["cross"]


def test_train_prints_what_it_made(folder: Path) -> None:
    places = ["--out", str(folder / "models"), "--results", str(folder / "results")]
    made = json_of("train", str(folder / "small.toml"), *places, "--set", "training.steps=1")
    assert Path(made["folder"]).is_dir()
    assert [row["task"] for row in made["results"]] == ["starter"]
    said = panglot("train", str(folder / "small.toml"), *places, "--set", "training.steps=1")
    shown = [line.strip() for line in said.splitlines() if line.strip().endswith(".json")]
    assert [Path(line).is_file() for line in shown] == [True]


def test_ablate_prints_the_experiment(folder: Path) -> None:
    made = json_of("ablate", str(folder / "tiny.toml"), "--out", str(folder / "runs"), "--set", "training.steps=1")
    assert [name for name, *_ in made["arms"]] == ["mono", "cross"]
