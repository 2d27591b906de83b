"""Submissions: packed the same each time, and unpacked from strangers without harm.

`python -m tests.test_submission` writes docs/schema/ anew.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner
from typer.testing import Result as CommandResult

from panglot.cli.main import app
from panglot.encode.card import ModelCard
from panglot.encode.load import load_model
from panglot.errors import BadResult
from panglot.evaluate.run import run
from panglot.fields import check_name
from panglot.results.record import read_record
from panglot.results.result import Result
from panglot.results.result_record import ResultRecord
from panglot.trust.intake import take_in
from panglot.trust.rerun import Attestation
from panglot.trust.submission import SubmissionCard, card_of, pack, place, write_card
from panglot.trust.verify_folder import verify_folder
from tests.helpers.command import panglot
from tests.helpers.submissions import make_submission
from tests.helpers.tasks import TASKS

SCHEMAS: dict[str, type[BaseModel]] = {"result": ResultRecord, "card": SubmissionCard, "attestation": Attestation}
SCHEMA_FOLDER = Path(__file__).parents[1] / "docs" / "schema"


def schema(name: str) -> str:
    return json.dumps(SCHEMAS[name].model_json_schema(), indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("name", SCHEMAS)
def test_published_schemas_are_those_of_the_models(name: str) -> None:
    assert (SCHEMA_FOLDER / f"{name}.json").read_text(encoding="utf-8") == schema(name), __doc__


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small submission with its card."""
    return make_submission("random", tmp_path_factory.mktemp("made"))


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    return pack(folder, tmp_path / "sent.zip")


def test_a_submission_arrives_as_it_was_sent(folder: Path, archive: Path, tmp_path: Path) -> None:
    target, verdicts = take_in(archive, tmp_path / "board")
    assert target == tmp_path / "board" / "random@1"
    assert {verdict.level for verdict in verdicts} == {"recomputed", "declared"}
    assert sorted(path.name for path in target.iterdir()) == sorted(path.name for path in folder.iterdir())
    assert all((target / path.name).read_bytes() == path.read_bytes() for path in folder.iterdir())
    assert [path.name for path in (tmp_path / "board").iterdir()] == ["random@1"]


def test_zips_are_deterministic(folder: Path, tmp_path: Path) -> None:
    first = pack(folder, tmp_path / "first.zip").read_bytes()
    copy = shutil.copytree(folder, tmp_path / "later" / folder.name)
    for path in copy.iterdir():
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    assert pack(copy, tmp_path / "second.zip").read_bytes() == first


def test_a_revision_is_never_overwritten(archive: Path, tmp_path: Path) -> None:
    take_in(archive, tmp_path / "board")
    with pytest.raises(BadResult, match="already exists"):
        take_in(archive, tmp_path / "board")
    (tmp_path / "RANDOM@1").mkdir()
    with pytest.raises(BadResult, match="already exists"):
        place(tmp_path / "board" / "random@1", tmp_path)


def test_two_revisions_stand_side_by_side(folder: Path, archive: Path, tmp_path: Path) -> None:
    take_in(archive, tmp_path / "board")
    outcome = run(TASKS["starter"], load_model("random"), ["de", "en"])
    model = outcome.record.model.model_copy(update={"revision": "2"})
    result = outcome.record.model_copy(update={"model": model})
    second = Result(result, outcome.evidence, outcome.stem).save(tmp_path / "made").parent
    write_card(second, card_of(model, ["starter"], {"training": {"starter": "zero-shot"}}))
    take_in(pack(second, tmp_path / "second.zip"), tmp_path / "board")
    assert sorted(path.name for path in (tmp_path / "board").iterdir()) == ["random@1", "random@2"]


def test_submit_packs_only_what_receive_takes(tmp_path: Path) -> None:
    """Changed settings stand behind a plus sign, and long ones make no name that a file system refuses."""
    outcome = run(TASKS["starter"], load_model("random"), ["de", "en"])
    for changed in ((), ("precision=bf16",), ("precision=bf16", "query_prompt=" + "Find the passage: " * 40)):
        model = outcome.record.model.model_copy(update={"settings": changed})
        result = outcome.record.model_copy(update={"model": model})
        folder = Result(result, outcome.evidence, outcome.stem).save(tmp_path / "made").parent
        assert len(folder.name) <= 255
        assert _submit(folder, tmp_path / "sent.zip").exit_code == 0
        target, _ = take_in(tmp_path / "sent.zip", tmp_path / "board")
        assert target is not None
        assert target.name == folder.name


def test_card_stays_where_submit_finds_something_wrong(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    before = (copy / "card.json").read_bytes()
    (copy / "starter.de-en.top10.parquet").unlink()
    assert _submit(copy, tmp_path / "x.zip").exit_code == 1
    assert (copy / "card.json").read_bytes() == before
    assert not (tmp_path / "x.zip").exists()


def _submit(folder: Path, target: Path) -> CommandResult:
    return CliRunner().invoke(app, ["submit", str(folder), "--out", str(target)])


def test_the_card_comes_from_the_results_and_what_is_stated() -> None:
    model = ModelCard(name="intfloat/multilingual-e5-small", revision="abc", library="x", dimension=384, licence="mit")
    card = card_of(model, ["xquad-r", "mlqa-r"], {"parameters": 118_000_000, "training": {"mlqa-r": "parent"}})
    assert (card.organisation, card.name, card.dimension, card.licence) == (
        "intfloat",
        "multilingual-e5-small",
        384,
        "mit",
    )
    assert card.training == {"xquad-r": "unknown", "mlqa-r": "parent"}
    with pytest.raises(BadResult, match="training"):
        card_of(model, [], {"training": {"xquad-r": "no"}})


@pytest.mark.parametrize("name", ["", " a", "a\u202eb", "раураl", "a\nb", "x" * 10_000, "a\u200bb", "é"])
def test_names_that_could_be_taken_for_others(name: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check_name(name)


def test_card_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    write_card(copy, card_of(ModelCard(name="other", revision="1", library="x"), ["starter"], {}))
    assert "results are of another model" in verify_folder(copy)[-1].findings[0]


def test_without_a_card_it_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    (copy / "card.json").unlink()
    with pytest.raises(BadResult, match="has no card"):
        take_in(pack(copy, tmp_path / "x.zip"), tmp_path / "board")


def test_submit_receive_and_verify_work_together(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / folder.name)
    stated = ("--licence", "MIT", "--parameters", "1.5M", "--training", "starter=zero-shot")
    done = panglot("submit", "random@1", *stated, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Next: upload the zip" in done.stdout
    done = panglot("receive", "random@1.zip", "--into", "board", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "board/random@1"), done.stderr
    card = read_record(tmp_path / "board" / "random@1" / "card.json", SubmissionCard)
    assert (card.licence, card.parameters, card.training) == ("MIT", 1_500_000, {"starter": "zero-shot"})
    done = panglot("verify", "board", "--rerun", "--sample", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "starter.de-en.json  reproduced" in done.stdout
    assert "card.json  declared" in done.stdout
    assert "Scores only" not in done.stdout
    path = tmp_path / "board" / "random@1" / "starter.de-en.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"headline": "map"', '"headline": "mrr"'), encoding="utf-8"
    )
    done = panglot("verify", "board", cwd=tmp_path)
    assert done.returncode == 1
    assert "task.headline: 'mrr' was found, 'map' was expected." in done.stdout
    done = panglot("submit", "random@1", "--training", "starter", cwd=tmp_path)
    assert (done.returncode, "TASK=STATE" in done.stderr) == (2, True)


if __name__ == "__main__":
    SCHEMA_FOLDER.mkdir(parents=True, exist_ok=True)
    for each in SCHEMAS:
        (SCHEMA_FOLDER / f"{each}.json").write_text(schema(each), encoding="utf-8")


def test_verify_of_a_zip_names_the_verb_that_takes_it(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK")
    found = CliRunner().invoke(app, ["verify", str(tmp_path / "x.zip")])
    assert isinstance(found.exception, BadResult)
    assert f"panglot receive {tmp_path / 'x.zip'}" in str(found.exception)
