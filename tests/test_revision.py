"""What tells two states of a model apart covers every model that it leans on."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panglot.encode.checkpoints.revision import folder_revision, hub_revision, revision_of

ROOMS = count()
LEANINGS = ("adapter", "module", "link", "inside")


def _lean(folder: Path, other: Path, how: str) -> None:
    """Make one folder lean on another, as model folders do."""
    if how == "adapter":
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(other)}))
    elif how == "module":
        modules = [{"path": "", "type": "x"}, {"path": f"../{other.name}", "type": "y"}]
        (folder / "modules.json").write_text(json.dumps(modules))
    elif how == "link":
        (folder / "linked").symlink_to(other, target_is_directory=True)
    else:
        (folder / "0_Transformer").mkdir(exist_ok=True)
        config = {"model_args": [{"tokenizer_name_or_path": f"{other}/"}]}
        (folder / "0_Transformer" / "sentence_bert_config.json").write_text(json.dumps(config))


@given(
    leanings=st.lists(st.sampled_from(LEANINGS), min_size=1, max_size=4),
    circle=st.booleans(),
    changed=st.integers(0, 4),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_change_in_any_folder_of_a_chain_is_another_revision(
    leanings: list[str], circle: bool, changed: int, tmp_path: Path
) -> None:
    room = tmp_path / str(next(ROOMS))
    chain = [room / f"model{number}" for number in range(len(leanings) + 1)]
    for folder in chain:
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(folder.name.encode())
    for folder, other, how in zip(chain, chain[1:], leanings, strict=False):
        _lean(folder, other, how)
    if circle:
        _lean(chain[-1], chain[0], "adapter")
    before = folder_revision(chain[0])
    assert before == folder_revision(chain[0]) == revision_of(str(chain[0]))
    (chain[0] / "README.md").write_text("Scores")
    assert folder_revision(chain[0]) == before
    (chain[changed % len(chain)] / "weights").write_bytes(b"changed")
    assert folder_revision(chain[0]) != before


def test_a_base_is_found_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("base", "lora"):
        (tmp_path / name).mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"base_model_name_or_path": "base"}')
    monkeypatch.chdir(tmp_path)
    before = folder_revision(Path("lora"))
    (tmp_path / "base" / "weights").write_bytes(b"1")
    assert folder_revision(Path("lora")) != before


@pytest.mark.parametrize("path", [".", "./", "1_Pooling"])
def test_a_module_is_in_the_folder_of_its_model(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """model2vec writes `.`; the working folder may have a folder of the same name."""
    folder, here = tmp_path / "model", tmp_path / "here"
    for each in (folder, here):
        (each / path).mkdir(parents=True, exist_ok=True)
    (folder / "modules.json").write_text(json.dumps([{"path": path, "type": "x"}]))
    monkeypatch.chdir(here)
    before = folder_revision(folder)
    (here / path / "weights").write_bytes(b"1")
    assert folder_revision(folder) == before


def test_words_of_a_configuration_are_not_taken_for_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a folder that is called like a model type, nor where a model came from, nor how it was fetched."""
    folder = tmp_path / "model"
    for other in ("bert", "origin/bert", "model/.cache/huggingface"):
        (tmp_path / other).mkdir(parents=True)
    config = {"model_type": "bert", "_name_or_path": "origin/bert", "tokens": ["/", "..", "bert"], "path": ".."}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "broken.json").write_text("[" * 100_000)
    monkeypatch.chdir(tmp_path)
    before = folder_revision(folder)
    for other in ("bert", "origin/bert", "model/.cache/huggingface"):
        (tmp_path / other / "file").write_text("x")
    assert folder_revision(folder) == before


def test_folders_below_a_repository_or_a_cache_count(tmp_path: Path) -> None:
    folder = tmp_path / ".cache" / ".git" / "model"
    folder.mkdir(parents=True)
    before = folder_revision(folder)
    (folder / "weights").write_bytes(b"1")
    assert folder_revision(folder) != before


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def _fetch(hub: Path, name: str, commit: str, file: str, text: str = "{}") -> None:
    repository = hub / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "snapshots" / commit / file).write_text(text)


class Config:
    _commit_hash = "b" * 40


def test_a_model_of_the_hub_is_in_the_state_of_its_commit(hub: Path) -> None:
    assert hub_revision("org/model") == "unknown" == hub_revision("no repository: ../x")
    assert hub_revision("org/model", Config()) == "b" * 40
    _fetch(hub, "org/model", "c" * 40, "modules.json")
    assert hub_revision("org/model") == "c" * 40


@pytest.mark.parametrize("local", [True, False])
def test_an_adapter_is_in_the_state_of_both_commits(local: bool, hub: Path) -> None:
    text = json.dumps({"base_model_name_or_path": "org/base"})
    if local:
        (hub / "lora").mkdir()
        (hub / "lora" / "adapter_config.json").write_text(text)
    name = str(hub / "lora") if local else "org/lora"
    if not local:
        _fetch(hub, name, "a" * 40, "adapter_config.json", text)
    assert revision_of(name, Config()) == "unknown"
    states = []
    for commit in ("b" * 40, "c" * 40):
        _fetch(hub, "org/base", commit, "config.json")
        states.append(revision_of(name, Config()))
    if not local:
        _fetch(hub, name, "d" * 40, "adapter_config.json", text + " ")
        states.append(revision_of(name, Config()))
    assert len(set(states)) == len(states)
    assert "unknown" not in states
