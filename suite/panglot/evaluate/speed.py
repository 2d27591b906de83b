"""Measure how fast a model encodes: some of the batches that a run would have, as many at once as in a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from time import perf_counter
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from panglot.arrays import Floats
from panglot.data.items import Items
from panglot.encode.batches import Batch, ItemKeys, Texts
from panglot.encode.card import Precision, Role
from panglot.encode.lanes import in_lanes
from panglot.encode.load import load_model
from panglot.encode.model import Encoder, Model, OnDevice
from panglot.encode.options import Options
from panglot.encode.vectors import encode_sample
from panglot.errors import PanglotError

Backend: TypeAlias = Literal["torch", "openvino"]

BATCHES = 4
"""Batches measured, or twice as many as are encoded at once."""

GAIN = 1.1
"""A setting that encodes this many times as fast is worth mentioning."""


class Speed(NamedTuple):
    """Seconds of encoding some texts, estimated from some of their batches, and the dimension of the vectors."""

    seconds: float
    dimension: int


def measure_speed(encoder: Encoder, texts: Sequence[str], role: Role) -> Speed:
    """Estimate how long encoding takes, from batches that are spread evenly over those of a run.

    :raises BadEncoder: the encoder fails, or does not return one vector per text.
    """
    inputs = Texts(encoder, role, ItemKeys([""], [_items(texts)]))
    rows = np.arange(len(inputs.keys))
    batches = list(inputs.batches(rows, inputs.count_tokens(rows)))
    wanted = min(len(batches), max(BATCHES, 2 * inputs.lanes if inputs.lanes > 1 else 0))
    chosen = [batches[int((place + 0.5) * len(batches) / wanted)] for place in range(wanted)]

    def encode(batch: Batch) -> Floats:
        return encode_sample(encoder, batch.inputs, role)

    dimension = encode(chosen[-1].part(0, 1)).shape[1]  # the first call may load weights or compile
    start = perf_counter()
    for _ in in_lanes(encode, chosen, inputs.lanes):
        pass
    share = sum(batch.tokens for batch in batches) / sum(batch.tokens for batch in chosen)
    return Speed((perf_counter() - start) * share, dimension)


class Setting(NamedTuple):
    """Options that encode faster than others, as they are typed, and how many times as fast."""

    options: str
    gain: float


def faster_settings(name: str, options: Options, model: Model, texts: Sequence[str]) -> list[Setting]:
    """Return other precisions and backends that encode passages faster on this machine, the fastest first.

    Settings that the model does not support are left out. The given one is measured again beside each other one.
    """
    found = []
    for changed, typed in _alternatives(options, model) if texts else ():
        try:
            other = load_model(name, changed)
        except PanglotError:
            continue
        if isinstance(model, Encoder) and isinstance(other, Encoder):
            gain = measure_speed(model, texts, "passage").seconds / measure_speed(other, texts, "passage").seconds
            found.append(Setting(typed, gain))
    return sorted((each for each in found if each.gain >= GAIN), key=lambda each: -each.gain)


def _alternatives(options: Options, model: Model) -> Iterator[tuple[Options, str]]:
    """Yield other options that may be faster on the model's device, with what is typed for them."""
    if not isinstance(model, Encoder) or not isinstance(model, OnDevice):
        return
    backends: list[Backend] = ["torch"]
    if model.device == "cpu" and find_spec("openvino"):
        backends.append("openvino")
    precisions: list[Precision] = ["fp32", "bf16"]
    for backend, precision in product(backends, precisions):
        if (backend, precision) != (options.backend, model.card.precision):
            typed = f"--backend {backend} --precision {precision}"
            yield replace(options, backend=backend, precision=precision), typed


def _items(texts: Sequence[str]) -> Items:
    return Items(tuple(map(str, range(len(texts)))), tuple(texts), np.zeros(len(texts), np.int16))
