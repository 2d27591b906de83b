"""The card of a trained model, and its upload to a twin of the Hub on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import HfApi

from panglot.errors import BadEncoder, PanglotError
from panglot.interop.mteb_export import model_index
from panglot.interop.push import files_of, push
from panglot.results.result_record import read_result_record
from panglot.train.data.read import read_pairs
from panglot.train.recipes.recipe_file import make_recipe, read_recipe
from panglot.train.run.card import write_card
from panglot.train.run.score import score_folder
from panglot.train.run.train import Trained, train
from tests.helpers.command import json_of, panglot
from tests.helpers.hub_server import HubServer, use_hub
from tests.helpers.recipes import write_recipe
from tests.helpers.tasks import TASKS


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A small model with scores in its card."""
    folder = tmp_path_factory.mktemp("publish")
    recipe = read_recipe(write_recipe(folder), ["licence=cc-by-sa-4.0"])
    made = train(recipe, folder / "models" / "small", read_pairs(recipe))
    results = [read_result_record(path) for path in score_folder(made.folder, [TASKS["starter"]], folder / "results")]
    write_card(made.folder, recipe, made.training, results, model_index(results))
    return made


def front_matter(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def test_card_has_the_metadata_of_the_hub(trained: Trained) -> None:
    found = front_matter(trained.folder)
    assert found["license"] == "cc-by-sa-4.0"
    assert found["pipeline_tag"] == "sentence-similarity"
    assert found["library_name"] == "sentence-transformers"
    assert found["language"] == ["de", "en", "zh"]
    scores = {
        (result["dataset"]["name"], metric["type"]): metric["value"]
        for result in found["model-index"][0]["results"]
        for metric in result["metrics"]
    }
    assert 0 <= scores["starter (multi)", "map"] <= 1


def test_card_names_base_models_and_data_sets_of_the_hub_only(tmp_path: Path, trained: Trained) -> None:
    (tmp_path / "pairs.csv").touch()
    content = {
        "name": "x",
        "text": {"base": "org/base"},
        "data": [
            {"name": "a", "source": "org/pairs", "only_language": "en"},
            {"name": "b", "source": str(tmp_path / "pairs.csv"), "only_language": "en"},
        ],
    }
    write_card(tmp_path, make_recipe(content), trained.training)
    found = front_matter(tmp_path)
    assert (found["base_model"], found["datasets"]) == (["org/base"], ["org/pairs"])
    assert "license" not in found
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "No licence is stated" in card
    assert '"source": "pairs.csv"' in card
    assert str(tmp_path) not in card


def test_no_file_of_a_model_names_a_local_path(trained: Trained) -> None:
    for path in files_of(trained.folder):
        assert os.fsencode(trained.folder.parents[1]) not in path.read_bytes()


def test_example_of_the_card_runs(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (trained.folder / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("\n```")[0]
    assert len(code.splitlines()) == 3
    monkeypatch.chdir(trained.folder.parent)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["scores"].shape == (1, 2)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer()
    with server.running() as address:
        use_hub(address, tmp_path / "hf", monkeypatch)
        yield server


@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # within huggingface_hub
def test_push_uploads_the_model_and_nothing_else(trained: Trained, hub: HubServer) -> None:
    for name in ("optimizer.pt", "checkpoint-3/trained.safetensors", ".cache/x.json"):
        path = trained.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not a part of the model")
    address = push(trained.folder, "org/small", files_of(trained.folder), private=True, api=HfApi(token="hf_test"))
    assert address.endswith("/org/small")
    assert hub.private
    kept = hub.repositories["models", "org/small"].files
    own = {path.relative_to(trained.folder).as_posix() for path in files_of(trained.folder)}
    assert kept.keys() == own
    assert {"README.md", "recipe.json", "modules.json"} < own
    assert not any("optimizer" in name or "checkpoint" in name or name.startswith(".") for name in own)
    for name, content in kept.items():
        if name != "README.md":
            assert content == (trained.folder / name).read_bytes()
    assert b'SentenceTransformer("org/small")' in kept["README.md"]


def test_rejection_by_the_hub_is_reported(trained: Trained, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ValueError("You have no rights to create it.")

    monkeypatch.setattr(HfApi, "create_repo", refuse)
    with pytest.raises(PanglotError, match=r"org/small cannot be written on the Hub. .*You have no rights"):
        push(trained.folder, "org/small", files_of(trained.folder))


def test_push_without_a_network_says_so_at_once(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub("http://127.0.0.1:9", tmp_path, monkeypatch)
    with pytest.raises(PanglotError, match=r"Hub cannot be reached: 127\.0\.0\.1: Connection refused"):
        push(trained.folder, "org/small", files_of(trained.folder))


def test_dry_run_lists_what_would_be_uploaded(trained: Trained) -> None:
    found = json_of("push", str(trained.folder), "org/small", "--dry-run")
    assert found["address"] is None
    assert found["files"]["README.md"] == (trained.folder / "README.md").stat().st_size
    assert "nothing was uploaded" in panglot("push", str(trained.folder), "org/small", "--dry-run").stdout


@pytest.mark.parametrize("name", ["small", "a/b/c", "org/", "../x", "org/na me", "-"])
def test_push_refuses_a_name_that_is_not_a_repository(trained: Trained, name: str) -> None:
    with pytest.raises(PanglotError, match="Write it as ORG/NAME"):
        push(trained.folder, name, [])


def test_push_refuses_what_is_not_public(tmp_path: Path) -> None:
    with pytest.raises(BadEncoder, match="has no modules"):
        files_of(tmp_path)
    (tmp_path / "modules.json").write_text("[]", encoding="utf-8")
    assert files_of(tmp_path) == [tmp_path / "modules.json"]
    (tmp_path / "config.json").write_text(
        json.dumps({"base": str(tmp_path), "url": "https://a.b/c/d"}), encoding="utf-8"
    )
    with pytest.raises(PanglotError, match=f"config.json names {tmp_path}, which is on this machine"):
        files_of(tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "linked.json").symlink_to(tmp_path / "modules.json")
    with pytest.raises(PanglotError, match="is a link"):
        files_of(tmp_path)


@pytest.mark.network
def test_push_to_the_hub_itself(trained: Trained) -> None:
    """Needs a login: creates a private repository, uploads to it, and deletes it."""
    api = HfApi()
    repository = f"{api.whoami()['name']}/panglot-test"
    push(trained.folder, repository, files_of(trained.folder), private=True, api=api)
    assert "README.md" in api.list_repo_files(repository)
    api.delete_repo(repository)
