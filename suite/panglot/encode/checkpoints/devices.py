"""Run a sentence-transformers model on one device, or on several at once, each with whole batches from one queue."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal, Protocol

import numpy as np

from panglot.arrays import Floats
from panglot.encode.budget import BATCH_IMAGES, MOST_IMAGES, START, TokenBudget
from panglot.errors import BadEncoder

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

    def run(self, model: Any, device: str | None) -> Floats:
        """Return the vectors [inputs, dim] computed by a model on a device; None for where the model is."""
        import torch

        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            vectors = getattr(model, self.method)(
                list(self.inputs),
                prompt=self.prompt,
                batch_size=max(len(self.inputs), 1),
                show_progress_bar=False,
                convert_to_numpy=True,
                device=device,
            )
        return np.asarray(vectors, np.float32)


class Runner(Protocol):
    """Runs calls on the devices of a model; `lanes` threads keep them busy."""

    lanes: int

    def __call__(self, call: Call) -> Floats:
        """Return the vectors of one call, [inputs, dim]."""


class Here:
    """The device that the model is on.

    On a GPU, one thread tokenizes the next batch while another waits for the device. Tokenizers set their own padding
    in each call, so only one thread tokenizes at a time. On a CPU, two threads would compete for the same cores.
    """

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self.lanes = 2 if device.startswith("cuda") else 1
        if self.lanes > 1:
            model.preprocess = _one_at_a_time(model.preprocess)

    def __call__(self, call: Call) -> Floats:
        """Return the vectors of one call, [inputs, dim]."""
        return call.run(self._model, None)


class Processes:
    """One process for each device, started at the first call; all share the weights in memory until they copy them.

    Each process has a batch waiting while it computes one.
    """

    def __init__(self, model: Any, devices: Sequence[str]) -> None:
        self._model, self._devices = model, list(devices)
        self._executor: ProcessPoolExecutor | None = None  # stops its processes when it is collected
        self._lock = threading.Lock()
        self.lanes = 2 * len(devices)

    def __call__(self, call: Call) -> Floats:
        """Return the vectors of one call, [inputs, dim].

        :raises BadEncoder: a process ended, for example because the system ran out of memory.
        """
        with self._lock:
            if self._executor is None:
                self._executor = _start(self._model, self._devices)
        try:
            return self._executor.submit(_run, call).result()
        except BrokenProcessPool as error:
            raise BadEncoder(
                f"A process on one of the devices {', '.join(self._devices)} ended unexpectedly. If memory is "
                "short, use fewer devices or a smaller --batch-tokens. In a script, put the call under "
                '`if __name__ == "__main__":`, since each process runs the rest of the script too.'
            ) from error


def runner_of(model: Any, devices: Sequence[str]) -> Here | Processes:
    """Return what runs calls of a model on these devices."""
    return Here(model, devices[0]) if len(devices) == 1 else Processes(model, devices)


def first_budget(model: Any, devices: Sequence[str]) -> int:
    """Return an estimate of the tokens that a batch should have: small on a CPU, as memory allows on a GPU."""
    import torch

    if not all(device.startswith("cuda") for device in devices):
        return START
    width = int(getattr(model[0], "get_embedding_dimension", lambda: 0)() or 1024)
    free = min(torch.cuda.mem_get_info(device)[0] for device in devices)
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


def _one_at_a_time(call: Any) -> Any:
    lock = threading.Lock()

    def locked(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return call(*args, **kwargs)

    return locked


def _start(model: Any, devices: list[str]) -> ProcessPoolExecutor:
    import torch.multiprocessing  # noqa: F401 - lets weights travel through shared memory

    model.to("cpu").share_memory()
    context = get_context("spawn")
    waiting = context.SimpleQueue()
    for device in devices:
        waiting.put(device)
    return ProcessPoolExecutor(len(devices), context, initializer=_settle, initargs=(_Packed(model), waiting))


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


_own: list[Any] = []
"""In a process for one device: the model and the device."""


def _settle(model: Any, devices: Any) -> None:
    """Take the next device in a new process, and move the model there."""
    device = devices.get()
    _own[:] = [model.to(device), device]


def _run(call: Call) -> Floats:
    return call.run(*_own)
