"""Keep a GPU busy: while it computes one batch, the next one is tokenized, copied there and launched."""

from __future__ import annotations

import threading
from typing import Any

from panglot.retrieve.device import true_float32

LANES = 2
"""Threads that keep a GPU busy: one waits for the vectors of a batch, the other prepares the next one."""


def overlap(model: Any, device: str) -> None:
    """Let several threads encode with a model of sentence-transformers on a GPU, without waiting for each other.

    Inputs are copied to the GPU from pinned memory, so that a batch can be queued behind the present one. Vectors are
    copied back on a stream of their own, and only the thread that asked for them waits. Batches are tokenized one at a
    time, since each call sets the padding of the tokenizer, and launched one at a time, so that the vectors of one need
    not wait for kernels of the next.
    """
    import torch

    read, compute = model.preprocess, model.forward
    reading, launching = threading.Lock(), threading.Lock()

    def preprocess(*inputs: Any, **settings: Any) -> dict[str, Any]:
        with reading:
            features = read(*inputs, **settings)
        return {name: send(value, device) for name, value in features.items()}

    def forward(*inputs: Any, **settings: Any) -> dict[str, Any]:
        with launching, true_float32(), torch.cuda.device(device):  # where kernels of Triton run
            vectors, arrived = fetch(compute(*inputs, **settings)["sentence_embedding"])
        arrived.synchronize()
        return {"sentence_embedding": vectors}

    model.preprocess, model.forward = preprocess, forward


def send(value: Any, device: Any) -> Any:
    """Start copying a tensor to a GPU from pinned memory and return the copy; other values are returned as they are."""
    import torch

    return value.pin_memory().to(device, non_blocking=True) if isinstance(value, torch.Tensor) else value


def fetch(vectors: Any) -> tuple[Any, Any]:
    """Start copying a tensor from a GPU; return the copy, in pinned memory, and an event: the copy has arrived."""
    import torch

    back, arrived = torch.cuda.Stream(vectors.device), torch.cuda.Event(blocking=True)
    back.wait_stream(torch.cuda.current_stream(vectors.device))
    with torch.cuda.stream(back):
        here = vectors.to("cpu", non_blocking=True)
        arrived.record(back)
    vectors.record_stream(back)
    return here, arrived
