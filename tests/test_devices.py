"""Several devices: each takes whole batches from one queue, in a process of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from panglot.data.pool import Pool
from panglot.encode.budget import TokenBudget
from panglot.encode.checkpoints.devices import Call, Here, Processes, _Packed
from panglot.encode.lanes import in_lanes
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder
from tests.helpers.devices import FakeEncoder, FakeModel
from tests.helpers.minilm import MINILM


def test_several_devices_take_whole_batches(starter: Pool, tmp_path: Path) -> None:
    """Each device waits until the other has a batch too; processes that die are reported."""
    pool = starter.only(["en"])
    run = Processes(FakeModel(folder=tmp_path), ["cpu", "cpu"])
    encoder = FakeEncoder(run, TokenBudget(fixed=100), run.lanes)
    found = encode_items(encoder, pool, "query").vectors
    here = FakeEncoder(lambda call: FakeModel().encode(call.inputs), TokenBudget(fixed=100), lanes=1)
    assert run.lanes == 4
    assert found[:, :2].tolist() == encode_items(here, pool, "query").vectors[:, :2].tolist()
    assert len(np.unique(found[:, 2])) == len(list(tmp_path.iterdir())) == 2
    for process in list(run._executor._processes.values()):
        process.kill()
    with pytest.raises(BadEncoder, match="A process on one of the devices cpu, cpu ended unexpectedly"):
        encode_items(encoder, pool, "query")


def test_model_arrives_in_another_process_as_it_was() -> None:
    """Weights and all else travel through shared memory."""
    model = SentenceTransformer(str(MINILM), device="cpu").share_memory()
    unpack, content = _Packed(model).__reduce__()
    texts = ["a bee", "und eine Biene im Garten"]
    assert (unpack(*content).encode(texts) == model.encode(texts)).all()


class Large(FakeModel):
    """Stands for a model with more beside its weights than a pipe holds."""

    vocabulary = "x" * 1_000_000

    def __init__(self) -> None:
        super().__init__()
        self.words = self.vocabulary


def test_process_that_ends_while_it_starts_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New processes run the main module again, for example a script that starts processes without a guard."""
    main = tmp_path / "main.py"
    main.write_text("raise SystemExit(3)\n", encoding="utf-8")
    module = ModuleType("__main__")
    module.__file__ = str(main)
    monkeypatch.setitem(sys.modules, "__main__", module)
    with pytest.raises(BadEncoder, match="A process on one of the devices cpu, cpu ended unexpectedly"):
        Processes(Large(), ["cpu", "cpu"])(Call("encode", ["bee"], "", autocast=False))


def test_tokenizing_goes_on_while_the_device_computes() -> None:
    """The second batch is tokenized before the first is done, as on a GPU."""
    second_is_read = threading.Event()

    class Model(FakeModel):
        def preprocess(self, texts: Sequence[str]) -> int:
            if "second" in texts:
                second_is_read.set()
            return super().preprocess(texts)

        def encode(self, texts: Sequence[str], **_: object) -> np.ndarray:
            self.preprocess(texts)
            assert second_is_read.wait(60)
            return np.ones((len(texts), 2), np.float32)

    run = Here(Model(), "cuda")
    calls = [Call("encode", [text], "", autocast=False) for text in ("first", "second")]
    assert run.lanes == 2
    assert len(list(in_lanes(run, calls, run.lanes))) == 2
