"""Several devices: each takes whole batches from one queue, in a process of its own."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from multiprocessing import Pipe, active_children
from pathlib import Path
from queue import Queue
from types import ModuleType

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from panglot.data.pool import Pool
from panglot.encode.budget import TokenBudget
from panglot.encode.checkpoints.devices import Call, Here, Processes, _answer, _Packed
from panglot.encode.lanes import in_lanes
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder
from tests.helpers.devices import FakeEncoder, FakeModel, imitate_gpu
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
    for process in active_children():
        status = Path(f"/proc/{process.pid}/status")
        if status.is_file():  # Linux; Ctrl-C is for the process that asks
            (blocked,) = re.findall(r"SigBlk:\s*(\w+)", status.read_text())
            assert int(blocked, 16) >> (signal.SIGINT - 1) & 1
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


def test_line_is_not_used_again_after_an_interruption() -> None:
    """Its answer would be taken for that of the next call."""
    (ours, theirs), run = Pipe(), Processes(FakeModel(), ["cpu", "cpu"])

    class Line:
        def recv(self) -> None:
            raise KeyboardInterrupt

        send, close = ours.send, ours.close

    run._free = Queue()
    run._free.put(Line())
    with pytest.raises(KeyboardInterrupt):
        run(Call("encode", ["bee"], "", autocast=False))
    assert run._free is None
    assert ours.closed
    theirs.close()


class Failing(FakeModel):
    """Fails as the text says: with an error that can be sent to another process, or with one that cannot."""

    def encode(self, texts: Sequence[str], **_: object) -> np.ndarray:
        if texts[0] == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory")

        class Unknown(Exception): ...

        raise Unknown("a reason")


def test_process_sends_errors_and_ends_when_nobody_asks() -> None:
    ours, theirs = Pipe()
    thread = threading.Thread(target=_answer, args=(theirs, Here(Failing(), "cpu"), threading.Semaphore(1)))
    thread.start()
    ours.send(Call("encode", ["memory"], "", autocast=False))
    assert isinstance(ours.recv(), torch.OutOfMemoryError)
    ours.send(Call("encode", ["other"], "", autocast=False))
    assert "Unknown: a reason" in str(ours.recv())
    ours.close()
    thread.join(60)
    assert not thread.is_alive()


def test_next_batch_is_tokenized_while_one_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    imitate_gpu(monkeypatch)
    second_is_read = threading.Event()

    class Model(FakeModel):
        def preprocess(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
            if "second" in texts:
                second_is_read.set()
            return super().preprocess(texts)

        def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            assert second_is_read.wait(60)
            return super().forward(features)

    run = Here(Model(), "cuda")
    calls = [Call("encode", [text], "", autocast=False) for text in ("first", "second")]
    assert run.lanes == 2
    assert len(list(in_lanes(run, calls, run.lanes))) == 2


def test_next_batch_is_launched_before_the_vectors_of_the_last_one_are_back(monkeypatch: pytest.MonkeyPatch) -> None:
    imitate_gpu(monkeypatch)
    both_are_launched = threading.Barrier(2, timeout=60)

    class Event(torch.cuda.Event):
        def synchronize(self) -> None:
            both_are_launched.wait()

    monkeypatch.setattr(torch.cuda, "Event", Event)
    run = Here(FakeModel(), "cuda")
    calls = [Call("encode", [text], "", autocast=False) for text in ("first", "second")]
    assert len(list(in_lanes(run, calls, run.lanes))) == 2


def test_batches_are_copied_to_and_from_a_gpu_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor goes from pinned memory to the device; only the vectors are waited for."""
    model = SentenceTransformer(str(MINILM), device="cpu")
    texts = ["a bee", "und eine Biene im Garten"]
    expected = model.encode(texts)
    inputs = sum(isinstance(value, torch.Tensor) for value in model.preprocess(texts).values())
    asked = imitate_gpu(monkeypatch)
    found = Here(model, "cuda:1")(Call("encode", texts, "", autocast=False))
    assert found == pytest.approx(expected, abs=1e-6)
    assert Counter(asked[:-3]) == {"pin": inputs, "copy to cuda:1": inputs}
    assert asked[-3:] == ["wait for the batch", "copy to cpu", "wait for the vectors"]
