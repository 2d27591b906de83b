"""A model of sentence-transformers in name only, on devices that take a fixed time for each call and each token."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from panglot.encode.budget import TokenBudget
from panglot.encode.card import ModelCard
from panglot.encode.checkpoints.devices import Call, Runner

PATIENCE = 60
"""Seconds that one device waits for the other."""

_device = threading.Lock()
"""The device of this process, which computes one batch at a time."""


class FakeModel:
    """Sleeps `call` seconds for each batch and `token` seconds for each word; tokenizing takes `reading` for each.

    Vectors hold the number of letters and words, and the process. If `folder` is given, each device leaves a file there
    and waits before its first batch until `devices` of them have begun.
    """

    config = None

    def __init__(
        self, call: float = 0, token: float = 0, reading: float = 0, folder: Path | None = None, devices: int = 2
    ) -> None:
        self._call, self._token, self._reading = call, token, reading
        self._folder, self._devices = folder, devices

    def to(self, device: str) -> FakeModel:
        return self

    def share_memory(self) -> None: ...

    def preprocess(self, texts: Sequence[str]) -> dict[str, Any]:
        """Count letters and words, which takes the time that tokenizing takes."""
        vectors = torch.tensor([[len(text), len(text.split()), os.getpid()] for text in texts], dtype=torch.float32)
        time.sleep(self._reading * float(vectors[:, 1].sum()))
        return {"vectors": vectors}

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        """Take the time that computing takes."""
        with _device:
            self._meet()
            time.sleep(self._call + self._token * float(features["vectors"][:, 1].sum()))
        return {"sentence_embedding": features["vectors"]}

    def encode(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        return self.forward(self.preprocess(texts))["sentence_embedding"].numpy()

    encode_query = encode_document = encode

    def _meet(self) -> None:
        if self._folder:
            (self._folder / str(os.getpid())).touch()
            end = time.monotonic() + PATIENCE
            while len(list(self._folder.iterdir())) < self._devices and time.monotonic() < end:
                time.sleep(0.01)


class FakeEncoder:
    """Encodes with what runs calls of a `FakeModel`; its tokens are words."""

    def __init__(self, run: Runner | Callable[[Call], np.ndarray], budget: TokenBudget, lanes: int) -> None:
        self.card = ModelCard(name="fake", revision="1", library="none", similarity="dot")
        self.budget, self.lanes, self._run = budget, lanes, run

    def count_tokens(self, texts: Sequence[str], role: str) -> np.ndarray:
        return np.array([len(text.split()) for text in texts])

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        return self._run(Call("encode", texts, "", autocast=False))


def imitate_gpu(patch: pytest.MonkeyPatch) -> list[str]:
    """Let the CPU take what is meant for a GPU; return a list that fills with what is asked of it."""
    asked: list[str] = []
    move = torch.Tensor.to

    class Stream:
        def __init__(self, device: object = None) -> None: ...

        def wait_stream(self, other: object) -> None:
            asked.append("wait for the batch")

    class Event:
        def __init__(self, blocking: bool) -> None: ...

        def record(self, stream: object) -> None: ...

        def synchronize(self) -> None:
            asked.append("wait for the vectors")

    def to(tensor: torch.Tensor, *where: Any, non_blocking: bool = False, **settings: Any) -> torch.Tensor:
        if not non_blocking:
            return move(tensor, *where, **settings)
        asked.append(f"copy to {where[0]}")
        return tensor.clone()

    def pin_memory(tensor: torch.Tensor) -> torch.Tensor:
        asked.append("pin")
        return tensor

    patch.setattr(torch.Tensor, "to", to)
    patch.setattr(torch.Tensor, "pin_memory", pin_memory)
    patch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
    patch.setattr(torch.cuda, "Stream", Stream)
    patch.setattr(torch.cuda, "Event", Event)
    patch.setattr(torch.cuda, "stream", nullcontext)
    patch.setattr(torch.cuda, "device", nullcontext)
    patch.setattr(torch.cuda, "current_stream", Stream)
    return asked
