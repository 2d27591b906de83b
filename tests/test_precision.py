"""bf16 is computed where there are instructions for it; elsewhere fp32 is, and the card says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.encode.checkpoints import precision
from panglot.encode.checkpoints.precision import computed_options, computed_precision
from panglot.encode.load import load_model
from panglot.encode.options import Options
from tests.helpers.tiny import bare, saved

HAS_BF16 = precision.has_bf16


@pytest.mark.parametrize(
    ("instructions", "has"),
    [
        ({"avx2": True, "avx512_f": True, "amx_tile": False}, False),
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"architecture": "arm64", "bf16": True}, True),
        ({}, False),
    ],
)
def test_a_processor_has_bf16_by_its_instructions(
    instructions: dict[str, bool], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: instructions)
    assert HAS_BF16("cpu") is has


def test_a_gpu_has_bf16_if_it_need_not_emulate_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: including_emulation)
    assert not HAS_BF16("cuda:1")


def test_one_device_without_bf16_makes_it_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: device == "cuda:0")
    assert computed_precision("bf16", "cuda:0") == "bf16"
    assert computed_precision("bf16", "cuda:0,cpu") == "fp32"
    assert computed_precision("fp16", "cpu") == "fp16"
    assert computed_options(Options(precision="bf16", backend="openvino")).precision == "bf16"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model as sentence-transformers saves it."""
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("models")
    return saved(folder / "tiny", *SentenceTransformer(str(bare(folder / "bare")), device="cpu"))


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU computes, but the choice of a precision takes it for a GPU with bf16."""
    monkeypatch.setattr("panglot.encode.checkpoints.precision._named", lambda devices: ["cuda"])
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: True)


def stored_as(dtype: str, model: Path, folder: Path) -> Path:
    """A copy of a model with its weights in another type."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(model), device="cpu", model_kwargs={"dtype": dtype})
    loaded.save(str(folder))
    return folder


@pytest.mark.parametrize("kind", ["st:{}", "hf:{}?pooling=mean"])
@pytest.mark.parametrize(("dtype", "expected"), [("float32", "fp32"), ("bfloat16", "bf16"), ("float16", "fp16")])
def test_gpu_computes_in_the_precision_of_the_checkpoint(
    kind: str, dtype: str, expected: str, model: Path, tmp_path: Path, as_on_a_gpu: None
) -> None:
    loaded = load_model(kind.format(stored_as(dtype, model, tmp_path / "model")))
    assert loaded.card.precision == expected
    assert loaded.card.settings == (() if expected == "fp32" else (f"precision={expected}",))
    assert {str(weight.dtype) for weight in loaded.model.parameters()} == {f"torch.{dtype}"}


def test_gpu_computes_in_fp32_on_request(model: Path, tmp_path: Path, as_on_a_gpu: None) -> None:
    stored = stored_as("bfloat16", model, tmp_path / "model")
    for options in (Options(precision="fp32"), Options.of(())):
        card = load_model(f"st:{stored}", options).card
        assert (card.precision, card.settings) == ("fp32", ())


def test_cpu_computes_in_fp32_whatever_is_stored(model: Path, tmp_path: Path) -> None:
    card = load_model(f"st:{stored_as('bfloat16', model, tmp_path / 'model')}", Options(device="cpu")).card
    assert (card.precision, card.settings) == ("fp32", ())


def test_run_says_that_it_computes_as_stored(model: Path, tmp_path: Path, as_on_a_gpu: None) -> None:
    stored = stored_as("bfloat16", model, tmp_path / "model")
    asked = ["run", f"st:{stored}", "--tasks", "starter", "--languages", "en", "--out", str(tmp_path / "results")]
    done = CliRunner().invoke(app, asked, catch_exceptions=False, env={"COLUMNS": "200"})
    assert "precision: The checkpoint is stored in bf16, and computed so on a GPU" in done.output
    assert list((tmp_path / "results").glob("*precision-bf16*"))


def test_fp32_is_no_change_for_models_without_the_option() -> None:
    assert load_model("random", Options(precision="fp32")).card.settings == ()


@pytest.mark.parametrize("kind", ["st:{}", "hf:{}?pooling=mean"])
def test_card_and_settings_say_what_was_computed(kind: str, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: False)
    card = load_model(kind.format(model), Options(precision="bf16", device="cpu")).card
    assert (card.precision, card.settings) == ("fp32", ())


def test_run_says_that_it_fell_back_to_fp32(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: False)
    asked = ["run", f"st:{model}", "--tasks", "starter", "--languages", "de,en", "--precision", "bf16"]
    asked += ["--out", str(tmp_path / "results")]
    done = CliRunner().invoke(app, asked, catch_exceptions=False, env={"COLUMNS": "200"})
    assert "precision: Computed in fp32: this CPU has no bf16 instructions" in done.output
    assert not list((tmp_path / "results").glob("*precision*"))


def test_a_bf16_result_is_not_rerun_in_fp32(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = str(tmp_path / "results")
    asked = [
        "run",
        f"st:{model}",
        "--tasks",
        "starter",
        "--languages",
        "de,en",
        "--precision",
        "bf16",
        "--out",
        results,
    ]
    CliRunner().invoke(app, asked, catch_exceptions=False)
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: False)
    done = CliRunner().invoke(app, ["verify", results, "--rerun", "--model", f"st:{model}"], catch_exceptions=False)
    assert done.exit_code == 2
    assert "was measured in bf16, which this processor lacks" in " ".join(done.output.split())
