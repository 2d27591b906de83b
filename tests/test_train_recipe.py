from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from panglot.errors import BadData, MissingData
from panglot.train.ablation.grid import plan, read_ablation
from panglot.train.recipes.recipe import Recipe
from panglot.train.recipes.recipe_file import make_recipe, read_recipe, set_value


def content(**parts: Any) -> dict[str, Any]:
    return {"name": "small", "text": {"kind": "static"}, "data": [{"name": "ntrex"}], **parts}


def test_defaults_are_what_the_paper_states() -> None:
    recipe = make_recipe(content())
    assert recipe.training.learning_rate == 3e-5
    assert recipe.training.weight_decay == 1e-2
    assert recipe.training.batch == 100
    assert (recipe.prompts.query, recipe.prompts.passage) == ("Query: ", "Passage: ")
    assert recipe.shares == {"mono": 0.5, "cross": 0.5}


@pytest.mark.parametrize(
    ("sampler", "shares"),
    [
        ({"kind": "mono"}, {"mono": 1.0}),
        ({"kind": "cross"}, {"cross": 1.0}),
        ({"kind": "mixed"}, {"mixed": 1.0}),
        ({"alpha": 0.25}, {"mono": 0.25, "cross": 0.75}),
        ({"beta": 0.25}, {"mono": 0.75, "cross": 0.25}),
        ({"alpha": 1.0}, {"mono": 1.0}),
    ],
)
def test_batch_shares_follow_alpha_and_gamma(sampler: dict[str, Any], shares: dict[str, float]) -> None:
    assert make_recipe(content(sampler=sampler)).shares == pytest.approx(shares)


def test_image_batches_leave_the_papers_ratio() -> None:
    recipe = make_recipe(content(sampler={"gamma": 0.2}, image={}, images=[{"name": "emoji"}]))
    assert recipe.shares == pytest.approx({"mono": 0.4, "cross": 0.4, "image": 0.2})


def test_captions_for_images_need_no_image_tower() -> None:
    recipe = make_recipe(content(sampler={"gamma": 0.2}, images=[{"name": "emoji", "pairing": "captions"}]))
    assert set(recipe.shares) == {"mono", "cross", "captions"}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"data": [{"name": "ntrx"}]}, "unknown data set 'ntrx'"),
        ({"sampler": {"alpha": 0.5, "beta": 0.4}}, "alpha + beta + gamma must be 1"),
        ({"sampler": {"alpha": 0.9, "gamma": 0.2}}, "alpha + beta + gamma must be 1"),
        ({"sampler": {"gamma": 0.2}, "images": [{"name": "emoji"}]}, "gamma > 0 needs an image tower"),
        ({"sampler": {"gamma": 0.2}, "image": {}}, "gamma > 0 needs an image set"),
        ({"sampler": {"kind": "mono", "alpha": 0.5}}, "are only allowed for the hybrid sampler"),
        ({"data": []}, "text batches need a data set"),
        ({"text": {}}, "an encoder needs a base"),
        ({"text": {"kind": "static", "layers": 3}}, "layers is not allowed: a static tower has no layers"),
        ({"loss": {"mini_batch": 8}}, "mini_batch needs an encoder"),
        ({"data": [{"name": "ntrex"}, {"name": "ntrex"}]}, "two data sets have the same name"),
        ({"data": [{"name": "own", "source": "rows.parquet"}]}, "set either language"),
        (
            {"text": {"base": "x", "lora": {"merged": False}}, "image": {}},
            "lora.merged = false is not allowed with .image.",
        ),
        ({"name": "../elsewhere"}, "'../elsewhere' cannot be the name of a folder"),
        (
            {"image": {"frozen_layers": "some"}},
            r"image\.frozen_layers: must be a valid integer or must be 'all'\.$",
        ),
        ({"image": {"frozen_layers": True}}, r"image\.frozen_layers: must be a valid integer or must be 'all'\.$"),
        ({"image": {"pooling": "max"}}, r"image\.pooling: must be an array\.$"),
        (
            {"text": {"base": "x", "lora": {"target_modules": 3}}},
            r"text\.lora\.target_modules: must be an array or must be 'all-linear'\.$",
        ),
        ({"image": {"pooling": ["mean", "mean"]}}, "image: pooling names 'mean' twice"),
        ({"image": {"frozen": 3}}, r"image\.frozen: unknown key \(did you mean frozen_layers\?\)"),
        ({"text": {"frozen": 3}}, r"text\.frozen: unknown key \(did you mean frozen_for_images or frozen_layers\?\)"),
        ({"training": {"pooling": "mean"}}, r"training\.pooling: unknown key\.$"),
        ({"data": [{"name": "ntrex", "sauce": "x"}]}, r"data\.0\.sauce: unknown key \(did you mean source\?\)"),
        ({"training": {"stepps": 3}}, "training.stepps: unknown key \\(did you mean steps\\?\\)"),
    ],
)
def test_mistakes_are_reported_from_the_recipe_alone(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(BadData, match=said.replace("+", r"\+")):
        make_recipe(content(**parts))


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(BadData) as caught:
        make_recipe(content(data=[{"name": "ntrx"}], sampler={"alpha": 0.5, "beta": 0.4}))
    assert "ntrx" in str(caught.value)
    assert "must be 1" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("google/xquad", "facebook/mlqa", "xquad_r", "miracl/miracl", "validation_flores_sib200"),
        *("romrawinjp/multi30k", "mteb/xflickrco", "google/crossmodal_3600", "mteb/wit", "wikimedia/wit_base"),
    ],
)
def test_evaluation_sets_are_refused(name: str) -> None:
    with pytest.raises(BadData, match="do not train on it"):
        make_recipe(content(data=[{"name": "own", "source": name, "language": "lang"}]))
    with pytest.raises(BadData, match="do not train on it"):
        make_recipe(content(data=[{"name": name}]))


def test_changes_reach_every_setting() -> None:
    changes = ["training.steps=7", "sampler.alpha=0.25", "data.0.name=sections", "languages=['en','de']", "name=other"]
    recipe = make_recipe(content(), changes)
    assert (recipe.training.steps, recipe.sampler.alpha) == (7, 0.25)
    assert (recipe.data[0].name, recipe.languages, recipe.name) == ("sections", ("en", "de"), "other")


@pytest.mark.parametrize("change", ["steps", "=3", "data.7.name=x", "name.first=x", "data.first=x"])
def test_change_of_an_unknown_setting_is_refused(change: str) -> None:
    with pytest.raises(BadData, match=r"key=value|is not a setting"):
        make_recipe(content(), [change])


def test_a_change_leaves_the_given_content_alone() -> None:
    given = content()
    assert set_value(given, "text.kind", "encoder")["text"]["kind"] == "encoder"
    assert given["text"]["kind"] == "static"


def test_the_digest_is_of_everything_that_makes_the_model() -> None:
    digest = make_recipe(content()).digest
    assert make_recipe(content(name="other", evaluation=["xquad-r"])).digest == digest
    assert make_recipe(content(seed=2)).digest != digest


def test_recipes_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert isinstance(read_recipe(Path("static-hybrid")), Recipe)
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\ntext = { kind = "static" }\n[[data]]\nname = "terms"\n', encoding="utf-8")
    assert read_recipe(own).name == "own"
    own.write_text("name = ", encoding="utf-8")
    with pytest.raises(BadData, match="is not valid TOML"):
        read_recipe(own)
    with pytest.raises(MissingData, match="static-hybrid"):
        read_recipe(tmp_path / "absent.toml")


def test_the_ablation_of_the_package_plans_every_arm_and_seed() -> None:
    ablation = read_ablation(Path("static"))
    planned = plan(ablation, Path(), ["text.base=some/base"])
    assert len(planned) == len(ablation.arms) * len(ablation.seeds)
    assert len({model.recipe.digest for model in planned}) == len(planned)
    by_arm = {model.arm: model.recipe for model in planned}
    text_steps = by_arm["image"].training.steps * (1 - by_arm["image"].sampler.gamma)
    assert by_arm["hybrid-fewer"].training.steps == text_steps
    assert {model.recipe.text.base for model in planned} == {"some/base"}


def test_an_arm_can_have_seeds_of_its_own() -> None:
    planned = plan(read_ablation(Path("transformer")), Path())
    seeds = {arm: [model.seed for model in planned if model.arm == arm] for arm in ("mono", "start")}
    assert seeds == {"mono": [1, 2, 3], "start": [1]}


def test_an_ablation_compares_only_arms_that_it_has(tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text(
        'name = "x"\ntitle = "x"\nrecipe = "static-hybrid"\ncompare = [["a", "b"]]\n[arms.a]\ntitle = "a"\n',
        encoding="utf-8",
    )
    with pytest.raises(BadData, match=r"grid.toml is not a valid ablation grid: compare has unknown arms: b\.$"):
        read_ablation(grid)


def test_settings_on_the_page_about_parts_of_an_encoder_are_valid() -> None:
    page = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
    block = page.partition("## Parts of an encoder")[2].partition("```toml\n")[2].partition("```")[0]
    made = make_recipe(tomllib.loads(f'name = "x"\n[[data]]\nname = "ntrex"\n{block}'))
    assert made.text.lora is not None
    assert made.training.report_to == ("tensorboard", "wandb")
