"""The GitHub Action: its steps, run as they stand, evaluate a model folder and comment the table once."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from panglot.cli.view.markdown import score_markdown
from panglot.cli.view.terminal import about_intervals
from panglot.encode.load import load_model
from panglot.evaluate.run import run
from panglot.numbers import short
from panglot.results.result_record import read_result_record
from tests.helpers.command import panglot
from tests.helpers.documents import blocks
from tests.helpers.layout import ROOT
from tests.helpers.processes import completed
from tests.helpers.tasks import TASKS

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")

GH = """#!/usr/bin/env python3
import json, os, sys
log = os.environ["GH_LOG"]
arguments = sys.argv[1:]
fields = [word[len("body=@"):] for word in arguments if word.startswith("body=@")]
with open(log, "a", encoding="utf-8") as file:
    json.dump({"arguments": arguments, "body": [open(path, encoding="utf-8").read() for path in fields]}, file)
    file.write("\\n")
if "--jq" in arguments:
    print(os.environ.get("GH_FOUND", ""), end="")
"""


def _filled(text: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    """A value of the action's environment, as the runner fills it in."""
    known = {f"inputs.{name}": value for name, value in inputs.items()}
    known["github.event.pull_request.number"] = "7"
    known |= {f"steps.evaluate.outputs.{name}": value for name, value in outputs.items()}
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: known[match[1]], text)


def _run(name: str, inputs: dict[str, str], environment: dict[str, str], folder: Path) -> str:
    """Run one step as the runner does, and return what it prints."""
    step = next(step for step in STEPS if step.get("name") == name)
    output = Path(environment["GITHUB_OUTPUT"])
    written = dict(line.split("=", 1) for line in output.read_text().splitlines()) if output.exists() else {}
    own = {key: _filled(value, inputs, written) for key, value in step.get("env", {}).items()}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return completed(command, check=True, cwd=folder, env={**os.environ, **environment, **own}).stdout


def test_actions_are_pinned_by_commit_and_inputs_are_never_part_of_a_script() -> None:
    assert all(PINNED.fullmatch(step["uses"]) for step in STEPS if "uses" in step)
    assert not [step for step in STEPS if "${{" in step.get("run", "")]
    used = set(re.findall(r"inputs\.(\w+)", json.dumps(ACTION["runs"])))
    assert used == set(ACTION["inputs"])


def test_action_uses_the_versions_of_the_other_workflows() -> None:
    others = "".join(path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    assert all(step["uses"] in others for step in STEPS if "uses" in step)


def test_steps_evaluate_a_folder_and_comment_once(tmp_path: Path) -> None:
    _save_model(tmp_path / "my model")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gh").write_text(GH, encoding="utf-8")
    (tools / "gh").chmod(0o755)
    environment = {
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_REPOSITORY": "org/repo",
        "GITHUB_WORKFLOW": "panglot",
        "GITHUB_JOB": "evaluate",
        "GH_LOG": str(tmp_path / "log"),
        "HF_HUB_OFFLINE": "1",
    }
    inputs = {name: value.get("default", "") for name, value in ACTION["inputs"].items()}
    inputs |= {"model": "model2vec:my model", "languages": "de,en", "token": "t"}
    for name in ("Evaluate", "Show", "Comment"):
        _run(name, inputs, environment, tmp_path)
    _run("Comment", inputs, environment | {"GH_FOUND": "IC_41\nIC_42\n"}, tmp_path)

    (folder,) = tmp_path.glob("panglot-*")
    outputs = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert (outputs["folder"], outputs["results"]) == (str(folder), str(folder / "results"))
    assert re.fullmatch("<!-- panglot [0-9a-f]{16} -->", outputs["mark"])
    assert json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (path,) = (folder / "results").glob("*@*/starter.de-en.json")
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert summary == "\n".join([outputs["mark"], *score_markdown([read_result_record(path)])]) + "\n"
    sent = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    posted, updated = (each for each in sent if each["body"])
    assert posted["arguments"][1:4] == ["--method", "POST", "repos/org/repo/issues/7/comments"]
    assert "id=IC_42" in updated["arguments"]
    assert "updateIssueComment" in "".join(updated["arguments"])
    assert posted["body"] == updated["body"] == [summary]

    (tools / "panglot").write_text("#!/bin/sh\n", encoding="utf-8")  # what it does was seen above
    (tools / "panglot").chmod(0o755)
    _run("Evaluate", inputs | {"languages": "de,es"}, environment, tmp_path)
    written = [line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines()]
    assert [len({value for name, value in written if name == key}) for key in ("folder", "mark")] == [2, 2]


def _save_model(folder: Path) -> None:
    """Save static vectors of some words, which need no torch."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "die": 1, "the": 2, "der": 3, "of": 4}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    StaticModel(np.random.default_rng(1).standard_normal((5, 8), np.float32), words).save_pretrained(folder)


def test_the_page_uses_the_action_as_it_is() -> None:
    page = ROOT / "docs" / "integrations.md"
    (example,) = (yaml.safe_load(block.text) for block in blocks(page) if block.language == "yaml")
    (job,) = example["jobs"].values()
    assert job["permissions"]["pull-requests"] == "write"
    steps = {step["uses"].partition("@")[0]: step.get("with", {}) for step in job["steps"]}
    assert set(steps["OWNER/panglot"]) <= set(ACTION["inputs"])
    assert "pull_request_target" not in page.read_text(encoding="utf-8")


def test_markdown_shows_scores_and_escapes_names(tmp_path: Path) -> None:
    outcomes = [run(TASKS["starter"], load_model(name), ["de", "en"]) for name in ("random", "constant")]
    record = outcomes[0].record
    model = record.model.model_copy(update={"name": "a|b`c @somebody <b>"})
    lines = list(score_markdown([record.model_copy(update={"model": model}), record]))
    assert lines[2].startswith(f"| `a\\|b'c @somebody <b>@{record.model.revision}` | `starter` | map |")
    assert len({line.replace("\\|", "").count("|") for line in lines[:4]}) == 1
    assert lines[-1].startswith("Scores with 95 % intervals. balance: ")
    few = record.model_copy(update={"settings": {}, "balance": {}})
    assert about_intervals([few]) == "Scores without intervals: fewer than 5 effective clusters of questions."
    assert about_intervals([record, few]).endswith("; none for starter: fewer than 5 effective clusters of questions.")
    for outcome in outcomes:
        outcome.save(tmp_path)
    printed = panglot("show", str(tmp_path), "--markdown").stdout
    assert [line.split("`")[1] for line in printed.splitlines() if line.startswith("| `")] == ["constant@1", "random@1"]
    assert f"**{short(record.settings['multi']['map'].value)}** " in printed


def test_the_install_step_takes_the_version_of_the_action() -> None:
    step = next(step for step in STEPS if step.get("name") == "Install")
    assert '"$GITHUB_ACTION_PATH[$EXTRAS]"' in step["run"]
    assert '--constraint "$GITHUB_ACTION_PATH/constraints.txt"' in step["run"]
