"""Let an encoder start from stored hidden states instead of computing its frozen first layers again.

With N of L layers frozen, a text passes through the first N only once; every later training step, validation or scoring
that reads it computes L - N layers. States are stored as float16, which changes vectors by less than 1e-4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panglot.encode.checkpoints.loading import PROBE
from panglot.errors import BadEncoder
from panglot.train.towers.hidden_states import KEY_BYTES, Halves, StateStore
from panglot.train.towers.layers import embeddings_of, layers_of

LARGEST_ERROR = 1e-3
"""Largest allowed difference of token vectors with and without the cache, relative to the largest of them."""

Tensors = dict[str, Any]


def cache_frozen_layers(transformer: Any, count: int, folder: Path) -> StateStore:
    """Store what the first `count` layers make of each text, and start from there when a text comes again.

    Changes `transformer.preprocess`, which then returns hidden states as well as token ids, and lets the embeddings and
    the first layers pass such states on. Weights and their names stay the same.

    :param folder: holds a folder for each encoder and count; see `panglot.train.towers.hidden_states`.
    :raises BadEncoder: the encoder gives other vectors when it starts from stored states.
    """
    layers = _FrozenLayers(transformer, count, folder)
    layers.check()
    return layers.store


class _FrozenLayers:
    """An encoder whose first layers are computed once per text."""

    def __init__(self, transformer: Any, count: int, folder: Path) -> None:
        self._transformer, self._network = transformer, transformer.auto_model
        self._layers = layers_of(self._network)
        self._count = count
        self._embeddings = embeddings_of(self._network)
        self._from_stored = False
        self.store = StateStore(folder / self._key(), int(self._network.config.hidden_size))
        self._plain_preprocess = transformer.preprocess
        transformer.preprocess = self.preprocess
        self._network.forward = self._noting(self._network.forward)
        self._embeddings.forward = self._passing("inputs_embeds", self._embeddings.forward, False)
        for layer in self._layers[:count]:
            layer.forward = self._passing("hidden_states", layer.forward, _returns_tuple(self._network))

    def preprocess(self, inputs: Any, *args: Any, **settings: Any) -> Tensors:
        """Tokenized texts with their hidden states [texts, tokens, dimension]."""
        features: Tensors = self._plain_preprocess(inputs, *args, **settings)
        if "input_ids" not in features or "attention_mask" not in features:
            return features
        return {**features, "inputs_embeds": self._states(features)}

    def _states(self, features: Tensors) -> torch.Tensor:
        """The hidden states of a batch, of which new ones are computed together and stored; padding is 0."""
        mask = features["attention_mask"].bool()
        keys = [_key_of(ids[own]) for ids, own in zip(features["input_ids"], mask, strict=True)]
        new = {key: place for place, key in enumerate(keys) if key not in self.store}
        if new:
            self.store.add(dict(zip(new, self._computed(features, list(new.values())), strict=True)))
        states = torch.zeros(*mask.shape, self._network.config.hidden_size)
        for place, key in enumerate(keys):
            states[place, mask[place]] = torch.from_numpy(self.store.read(key).astype(np.float32))
        return states

    def _computed(self, features: Tensors, rows: list[int]) -> Iterator[Halves]:
        """The hidden states of some rows without padding.

        :raises BadEncoder: they do not fit into float16.
        """
        device = next(self._network.parameters()).device
        batch = {
            name: value[rows].to(device)
            for name, value in features.items()
            if name in ("input_ids", "attention_mask", "token_type_ids")
        }
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            found = self._up_to_layer(batch).float().cpu().numpy().astype(np.float16)
        if not np.isfinite(found).all():
            raise BadEncoder("text.cache_frozen: the hidden states exceed the range of float16. Set it to false.")
        for states, own in zip(found, features["attention_mask"][rows].bool().numpy(), strict=True):
            yield states[own]

    def _up_to_layer(self, batch: Tensors) -> torch.Tensor:
        """The input of the first layer that is not frozen, [texts, tokens, dimension]."""
        with _stop_before(self._layers[self._count]) as reached:
            self._network(**batch)
        return reached[0]

    def _noting(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A forward function that notes whether it starts from stored states, and then ignores the token ids."""

        @wraps(forward)
        def noting(*args: Any, **settings: Any) -> Any:
            self._from_stored = settings.get("inputs_embeds") is not None
            tokens = ("input_ids", "token_type_ids") if self._from_stored else ()
            return forward(*args, **{name: value for name, value in settings.items() if name not in tokens})

        return noting

    def _passing(self, name: str, forward: Callable[..., Any], as_tuple: bool) -> Callable[..., Any]:
        """A forward function that passes stored states on, and computes as before otherwise."""

        def passing(*args: Any, **settings: Any) -> Any:
            if not self._from_stored:
                return forward(*args, **settings)
            states = next(found for found in (settings.get(name), *args) if found is not None)
            return (states,) if as_tuple else states

        return passing

    def _key(self) -> str:
        """A hash of everything that the stored states depend on, besides the tokens."""
        digest = hashlib.sha256(f"{type(self._network).__name__} {self._count}".encode())
        for part in (self._embeddings, *self._layers[: self._count]):
            for name, weight in sorted(part.state_dict().items()):
                digest.update(name.encode())
                digest.update(weight.detach().float().cpu().contiguous().numpy().data)
        return digest.hexdigest()[:24]

    def check(self) -> None:
        """Compare token vectors with and without stored states, on two texts of different lengths.

        :raises BadEncoder: they differ by more than `LARGEST_ERROR`.
        """
        training = self._network.training
        self._network.eval()
        texts = [PROBE, f"{PROBE} {PROBE}"]
        with torch.no_grad():
            try:
                stored, plain = (
                    self._transformer.forward(own(texts)) for own in (self.preprocess, self._plain_preprocess)
                )
                mask = plain["attention_mask"].bool()
                expected = plain["token_embeddings"][mask]
                error = float((stored["token_embeddings"][mask] - expected).abs().max() / expected.abs().max())
            except (TypeError, ValueError, KeyError, IndexError, RuntimeError) as fault:
                raise BadEncoder(f"{_UNFIT} {type(fault).__name__}: {fault}") from fault
        self._network.train(training)
        if not error <= LARGEST_ERROR:
            raise BadEncoder(f"{_UNFIT} Its vectors differ by {error:.2g}.")


_UNFIT = "text.cache_frozen: this encoder cannot start from stored hidden states. Set text.cache_frozen to false."


class _Reached(Exception):
    """Ends a forward pass at a layer."""


@contextmanager
def _stop_before(layer: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """End the forward pass in the context before a layer; the list then holds the layer's input."""
    reached: list[torch.Tensor] = []

    def keep(module: Any, args: Any, settings: Tensors) -> None:
        reached.append(args[0] if args else settings["hidden_states"])
        raise _Reached

    hook = layer.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield reached
    except _Reached:
        pass
    finally:
        hook.remove()


def _returns_tuple(network: Any) -> bool:
    """Whether the layers of an encoder return a tuple whose first item is the hidden states."""
    found = []
    layer = layers_of(network)[0]
    hook = layer.register_forward_hook(lambda module, args, output: found.append(isinstance(output, tuple)))
    with torch.no_grad():
        network(input_ids=torch.ones(1, 2, dtype=torch.long, device=next(network.parameters()).device))
    hook.remove()
    return found[0]


def _key_of(tokens: torch.Tensor) -> bytes:
    """The key of a text: a hash of its token ids, so of its prompt, its words and where it was cut."""
    return hashlib.blake2b(tokens.numpy().astype("<i8").tobytes(), digest_size=KEY_BYTES).digest()
