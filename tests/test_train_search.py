"""Ablations that choose settings of each arm by validation, and what they validate on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from panglot.data.task import Task
from panglot.errors import BadData
from panglot.files import data_from
from panglot.train.ablation.bench import Bench
from panglot.train.ablation.grid import Ablation, Arm, plan, read_ablation
from panglot.train.data.training_sets import ntrex, sentences, without_validation
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.steps.validate import balance, read_passages
from tests.helpers.recipes import write_recipe
from tests.helpers.tasks import TASKS

RATES = (0.01, 0.02, 0.04)


def _ablation() -> Ablation:
    return Ablation(
        name="n",
        title="t",
        recipe="small.toml",
        seeds=(1, 2),
        search={"training.learning_rate": RATES},
        arms={
            "one": Arm(title="one"),
            "start": Arm(title="start", seeds=(1,), searched=False, debias=("centre", "lir:1")),
        },
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = write_recipe(tmp_path)
    path.write_text(f"{path.read_text(encoding='utf-8')}[validation]\nevery = 6\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models in the order of their training, which takes no time: a rate of .02 validates best."""
    names: list[str] = []

    def train(recipe: Recipe, *_: Any) -> SimpleNamespace:
        names.append(recipe.name)
        return SimpleNamespace(training=record(recipe))

    def record(recipe: Recipe, *_: Any) -> SimpleNamespace | None:
        score = 1 - abs(recipe.training.learning_rate - 0.02)
        made = SimpleNamespace(steps=6, seconds=1.0, best_validation=score, precision="fp32")
        return made if recipe.name in names else None

    bench = "panglot.train.ablation.bench"
    monkeypatch.setattr(f"{bench}.train", train)
    monkeypatch.setattr(f"{bench}.read_training", record)
    monkeypatch.setattr(f"{bench}.score_folder", lambda *_: [])
    monkeypatch.setattr(Bench, "_read", lambda *_: ())
    monkeypatch.setattr(Bench, "_debias", lambda *_: None)
    return names


def test_arm_takes_the_settings_that_validate_best_with_the_first_seed(folder: Path, trained: list[str]) -> None:
    bench = Bench(folder, _find_task, [])
    planned = plan(_ablation(), folder)
    assert not any(map(bench.has, planned))
    made = [scored for model in planned for scored in bench.make(model)]
    assert trained == ["n-one-1-a", "n-one-1-b", "n-one-1-c", "n-one-2-b", "n-start-1"]
    assert [(scored.arm, scored.planned.seed) for scored in made] == [
        ("one", 1),
        ("one", 2),
        ("start", 1),
        ("start+centre", 1),
        ("start+lir:1", 1),
    ]
    assert {scored.planned.recipe.training.learning_rate for scored in made[:2]} == {0.02}
    assert all(map(bench.has, planned))


def test_interrupted_search_goes_on(folder: Path, trained: list[str]) -> None:
    bench = Bench(folder, _find_task, [])
    trained += ["n-one-1-a", "n-one-1-b"]
    first = plan(_ablation(), folder)[0]
    assert not bench.has(first)
    bench.make(first)
    assert trained[2:] == ["n-one-1-c"]


def _find_task(name: str) -> Task:
    return TASKS[name]


def test_search_without_validation_is_refused(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    with pytest.raises(BadData, match=r"search needs validation\.every"):
        plan(_ablation(), tmp_path)


def test_search_with_too_many_combinations_is_refused(folder: Path) -> None:
    ablation = _ablation().model_copy(update={"search": {"seed": tuple(range(9)), "loss.scale": (1, 2, 3)}})
    with pytest.raises(BadData, match="search has 27 combinations of values, but at most 26"):
        plan(ablation, folder)


def test_arms_of_the_intact_encoder_share_data_and_vocabulary() -> None:
    recipes = {model.arm: model.recipe for model in plan(read_ablation(Path("e5-intact")), Path())}
    for arm, recipe in recipes.items():
        assert recipe.text.model_copy(update={"frozen_for_images": False}) == recipes["hybrid"].text
        assert {data.name for data in recipe.images} == {"emoji", "storybooks"}
        text_share = 1 - recipe.sampler.gamma
        assert arm == "start" or recipe.training.steps * text_share == 60
        assert recipe.validation.every == recipe.training.steps


def test_image_arms_of_ten_seeds_have_the_text_steps_of_the_others() -> None:
    ablation = read_ablation(Path("static-seeds"))
    models = [model for model in plan(ablation, Path()) if model.seed == 1 and model.arm != "start"]
    assert {model.recipe.training.steps * (1 - model.recipe.sampler.gamma) for model in models} == {200}
    assert len({model.recipe.digest for model in models}) == len(models)
    assert not any(arm.seeds for name, arm in ablation.arms.items() if name in dict(ablation.pairs).values())


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Six documents of seven sentences in two languages."""
    rows = [
        {"doc": f"d:{number}", "segment": place, "lang": language, "text": f"{language} {number} {place}"}
        for number in range(6)
        for language in ("de", "en")
        for place in range(7)
    ]
    (tmp_path / "train").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train" / "ntrex.parquet")
    return tmp_path


def _recipe(documents: int) -> Recipe:
    content = {
        "name": "n",
        "languages": ["de", "en"],
        "text": {"kind": "static"},
        "data": [{"name": "ntrex"}],
        "validation": {"every": 1, "documents": documents},
    }
    return make_recipe(content)


def test_documents_of_validation_are_not_trained_on(documents: Path) -> None:
    with data_from(documents):
        pool = read_passages(_recipe(2))
        entries = list(without_validation(ntrex(), 2))
        fitted = sentences(("de", "en"), 2, 100)
        everything = list(without_validation(ntrex(), 0))
        assert read_passages(_recipe(0)) is None
    assert pool is not None
    assert pool.queries.texts[::2] == ("de 0 1", "de 0 4", "de 3 1", "de 3 4")
    assert sorted(pool.candidates.texts)[:2] == ["de 0 0 de 0 2", "de 0 3 de 0 5"]
    assert len(pool.query) == len(pool.queries) * 2
    assert len(entries) == len(everything) * 4 // 6
    assert not {entry.query for entry in entries} & set(pool.queries.texts)
    assert not {text for _, text in fitted} & set(pool.queries.texts)


class _Perfect:
    """Puts every text where its document and the third of the document are."""

    def __init__(self, spoken: Callable[[str], float]) -> None:
        self._spoken = spoken

    def encode_query(self, texts: list[str], **_: Any) -> list[list[float]]:
        rows = [text.split() for text in texts]
        spots = [(int(number) * 10 + int(place) // 3, spoken) for spoken, number, place, *_ in rows]
        return [[*(float(spot == n) for n in range(60)), self._spoken(spoken)] for spot, spoken in spots]

    encode_document = encode_query


def test_passages_are_found_within_across_and_among_languages(documents: Path) -> None:
    with data_from(documents):
        pool = read_passages(_recipe(6))
    assert pool is not None
    assert balance(_Perfect(lambda _: 0.0), pool) == pytest.approx(1)
    assert balance(_Perfect(lambda language: 9.0 * (language == "de")), pool) < 0.95
