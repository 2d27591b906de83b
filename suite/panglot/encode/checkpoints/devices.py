"""Run a sentence-transformers model on one device, or on several at once, each with whole batches from one queue."""

from __future__ import annotations

import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from queue import Queue
from typing import Any, Literal, Protocol

import numpy as np

from panglot.arrays import Floats
from panglot.encode.budget import BATCH_IMAGES, MOST_IMAGES, START, TokenBudget
from panglot.encode.checkpoints.overlap import LANES, overlap
from panglot.errors import BadEncoder, spelled
from panglot.retrieve.device import free_memory

Method = Literal["encode", "encode_query", "encode_document"]

GPU_START = 16_384
"""Tokens in the first batches on a GPU with enough memory."""

BYTES_PER_UNIT = 256
"""Estimated bytes per token and hidden unit that a forward pass takes beyond the weights."""


@dataclass(frozen=True)
class Call:
    """One batch for a model: the method to call, its inputs, their prompt, and whether to compute in bf16."""

    method: Method
    inputs: Sequence[Any]
    prompt: str
    autocast: bool

    def run(self, model: Any) -> Floats:
        """Return the vectors [inputs, dim] computed by a model where it is."""
        import torch

        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            vectors = getattr(model, self.method)(
                list(self.inputs),
                prompt=self.prompt,
                batch_size=max(len(self.inputs), 1),
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return np.asarray(vectors, np.float32)


class Runner(Protocol):
    """Runs calls on the devices of a model; `lanes` threads keep them busy."""

    lanes: int

    def __call__(self, call: Call) -> Floats:
        """Return the vectors of one call, [inputs, dim]."""


class Here:
    """The device that the model is on.

    On a GPU, one thread prepares the next batch while another waits for the vectors of the last one. On a CPU, two
    threads would compete for the same cores.
    """

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self.lanes = 1
        if device.startswith("cuda"):
            self.lanes = LANES
            overlap(model, device)

    def __call__(self, call: Call) -> Floats:
        """Return the vectors of one call, [inputs, dim]."""
        return call.run(self._model)


class Processes:
    """One process for each device, started at the first call; all share the weights in memory until they copy them.

    Each process has as many lines as a GPU needs to be busy. A batch goes out on the line that has been free for the
    longest time, and the line is taken until the vectors are back. After a failure the processes are started again.
    """

    def __init__(self, model: Any, devices: Sequence[str]) -> None:
        self._model, self._devices = model, list(devices)
        self._free: Queue[Connection] | None = None  # processes end when it is collected, which closes their lines
        self._lock = threading.Lock()
        self.lanes = LANES * len(devices)

    def __call__(self, call: Call) -> Floats:
        """Return the vectors of one call, [inputs, dim].

        :raises BadEncoder: a process ended, for example because the system ran out of memory.
        """
        with self._lock:
            if self._free is None:
                self._free = start(self._model, self._devices)
            free = self._free
        line = free.get()
        try:
            line.send(call)
            found = line.recv()
        except BaseException as error:
            line.close()  # a late answer must not be taken for that of the next call
            self._free = None
            if isinstance(error, EOFError | OSError):
                raise BadEncoder(
                    f"A process on one of the devices {', '.join(self._devices)} ended unexpectedly. If memory is "
                    "short, use fewer devices or a smaller --batch-tokens. In a script, put the call under "
                    '`if __name__ == "__main__":`, since each process runs the rest of the script too.'
                ) from error
            raise
        finally:
            free.put(line)
        if isinstance(found, Exception):
            raise found
        vectors: Floats = found
        return vectors


def runner_of(model: Any, devices: Sequence[str]) -> Here | Processes:
    """Return what runs calls of a model on these devices."""
    return Here(model, devices[0]) if len(devices) == 1 else Processes(model, devices)


def first_budget(model: Any, devices: Sequence[str], width: int | None = None) -> int:
    """Return an estimate of the tokens that a batch should have: small on a CPU, as memory allows on a GPU.

    `width` is the number of values for each token that take most memory, by default the dimension of the vectors.
    """
    if not all(device.startswith("cuda") for device in devices):
        return START
    width = width or int(getattr(model[0], "get_embedding_dimension", lambda: 0)() or 1024)
    free = min(free_memory(device) for device in devices)
    fitting = free // 4 // (width * BYTES_PER_UNIT)
    return max(START, min(GPU_START, 1 << (int(fitting).bit_length() - 1)) if fitting else START)


def image_budget(devices: Sequence[str]) -> TokenBudget:
    """Return the number of images in a batch: found on GPUs, and fixed elsewhere, where more gain nothing."""
    on_gpu = all(device.startswith("cuda") for device in devices)
    return TokenBudget(BATCH_IMAGES, None if on_gpu else BATCH_IMAGES, MOST_IMAGES)


def describe(model: Any, devices: Sequence[str]) -> str:
    """Return the devices with their names, and the attention that a model uses: `cuda:0 (NVIDIA H100), sdpa`."""
    import torch

    named = [f"{name} ({torch.cuda.get_device_name(name)})" if name.startswith("cuda") else name for name in devices]
    attention = getattr(model.config, "_attn_implementation", None)
    return ", ".join([*named, *([f"{attention} attention"] if isinstance(attention, str) else [])])


def start(model: Any, devices: Sequence[str]) -> Queue[Connection]:
    """Start a process for each device and return the lines to all of them, those of different devices in turn."""
    import torch.multiprocessing  # noqa: F401 - lets weights travel through shared memory

    model.to("cpu").share_memory()
    context = get_context("spawn")
    lines: list[list[Connection]] = []
    for device in devices:
        pairs = [context.Pipe() for _ in range(LANES)]
        theirs = [pair[1] for pair in pairs]
        with _deaf():
            context.Process(target=_serve, args=(_Packed(model), device, theirs), daemon=True).start()
        for line in theirs:  # of which the process has its own copies, and only they keep a line open
            line.close()
        lines.append([pair[0] for pair in pairs])
    free: Queue[Connection] = Queue()
    for line in chain.from_iterable(zip(*lines, strict=True)):
        free.put(line)
    return free


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that this thread starts hear no Ctrl-C: it ends the one that asks, and with it their lines."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    resource_tracker.ensure_running()  # where it does not run yet, it would take the mask off
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Packed:
    """A model as new processes receive it: all of it in shared memory, also what is no weight, such as a vocabulary.

    What is passed to a new process itself has to fit into a pipe. Whoever writes more waits for the process to read it,
    and would wait for ever if the process ends first: because memory ran out, or because the main module, which Python
    runs again in each new process, fails there.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._content: Any = None  # kept until the process has its own handle of this memory

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        import torch

        self._content = torch.frombuffer(
            bytearray(ForkingPickler.dumps(self._model)), dtype=torch.uint8
        ).share_memory_()
        return _unpacked, (self._content,)


def _unpacked(content: Any) -> Any:
    return pickle.loads(content.numpy().tobytes())  # noqa: S301 - from the process that started this one


def _serve(model: Any, device: str, lines: Sequence[Connection]) -> None:
    """Answer the calls of all lines on a device, in a process of its own, until they are closed."""
    run = Here(model.to(device), device)
    turns = threading.Semaphore(run.lanes)
    threads = [threading.Thread(target=_answer, args=(line, run, turns)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _answer(line: Connection, run: Here, turns: threading.Semaphore) -> None:
    """Answer the calls of one line, with vectors or with the error, until it is closed."""
    with line:
        try:
            while True:
                call = line.recv()
                with turns:
                    found = _result(run, call)
                line.send(found)
        except (EOFError, OSError):
            return


def _result(run: Here, call: Call) -> Floats | Exception:
    """Return the vectors of a call, or the error; as text if an error of its type cannot be sent."""
    try:
        return run(call)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - made in this line
        except Exception:
            return RuntimeError(spelled(error))
        return error
