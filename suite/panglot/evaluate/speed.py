"""Measure how fast a model encodes: some of the batches that a run would have, as many at once as in a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from time import perf_counter
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from panglot.arrays import Ints
from panglot.data.items import Items
from panglot.encode.batches import Batch, Images, Inputs, ItemKeys, Texts
from panglot.encode.card import Precision, Role
from panglot.encode.encoding import Encoding
from panglot.encode.lanes import in_lanes
from panglot.encode.load import load_model
from panglot.encode.model import Encoder, Model, OnDevice, SeesImages
from panglot.encode.options import Options
from panglot.errors import BadEncoder, PanglotError

Backend: TypeAlias = Literal["torch", "openvino"]

BATCHES = 4
"""Batches measured, or twice as many as are encoded at once."""

IMAGES = 64
"""Images measured, or those of twice as many batches as are encoded at once."""

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
    encoding = Encoding(encoder.card.name, inputs, None)
    first = encoding.encode_batch(chosen[-1].part(0, 1))  # the first call may load weights or compile
    share = sum(batch.tokens for batch in batches) / sum(batch.tokens for batch in chosen)
    return Speed(_seconds(encoding, chosen, inputs) * share, first.vectors.shape[1])


def measure_images(encoder: Encoder, languages: Sequence[str], sides: Sequence[Items], rows: Ints) -> float:
    """Estimate how long decoding and encoding the images `rows` of a pool takes, in seconds, from some of them.

    :raises BadEncoder: the encoder cannot encode images, or fails on one.
    """
    if not isinstance(encoder, SeesImages):
        raise BadEncoder(f"{encoder.card.name} encodes only text, but the task has images.")
    name = encoder.card.name
    inputs = Images(encoder, ItemKeys(languages, sides))
    wanted = min(len(rows), max(IMAGES, 2 * inputs.lanes * inputs.budget.tokens if inputs.lanes > 1 else 0))
    chosen = rows[np.linspace(0, len(rows) - 1, wanted).astype(int)]
    batches = inputs.batches(chosen, inputs.count_tokens(chosen))
    return _seconds(Encoding(name, inputs, None), batches, inputs) * len(rows) / max(wanted, 1)


def _seconds(encoding: Encoding, batches: Iterable[Batch], inputs: Inputs) -> float:
    """Seconds of encoding batches, as many at once as in a run."""
    start = perf_counter()
    for _ in in_lanes(encoding.encode_batch, batches, inputs.lanes):
        pass
    return perf_counter() - start


class Setting(NamedTuple):
    """Options that encode faster than others, as they are typed, and how many times as fast."""

    options: str
    gain: float


def faster_settings(name: str, options: Options, model: Model, texts: Sequence[str]) -> list[Setting] | None:
    """Return other precisions and backends that encode passages faster on this machine, the fastest first.

    Settings that the model does not support are left out; None if it supports no other. The given one is measured again
    beside each other one.
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
    return sorted((each for each in found if each.gain >= GAIN), key=lambda each: -each.gain) if found else None


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
