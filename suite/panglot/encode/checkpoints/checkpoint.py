"""Detect problems that transformers only logs while loading a model: missing tensors, and tokens that are not added."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from panglot.encode.checkpoints.loading import hide_loading_bars, load_fetched, one_line
from panglot.errors import BadEncoder

SHOWN = 4
"""Maximum number of tensors named in a message."""

REPOSITORY = ("cache_dir", "token", "revision", "local_files_only", "subfolder")
"""Settings that determine where a tokenizer's files are."""


Loaded = TypeVar("Loaded")


class Checkpoint:
    """Findings about the models loaded inside `watched`."""

    def __init__(self) -> None:
        self._absent: dict[str, str] = {}
        self._unknown: list[str] = []
        self._whole: list[str] = []
        self._holes: list[tuple[Any, str]] = []
        self._added: dict[str, None] = {}
        self._not_added: dict[str, None] = {}

    def take(self, model: Any, info: Any) -> None:
        """Record which tensors of a model are missing from its files or have another shape, and unexpected tensors."""
        shapes = {name: f"{name} {list(found)} for {list(own)}" for name, found, own in info.mismatched_keys}
        self._absent |= {name: name for name in sorted(info.missing_keys)} | shapes
        self._unknown += sorted(info.unexpected_keys)
        self._whole += _whole_numbers(model)
        for name in {*info.missing_keys, *shapes}:
            module, _, leaf = name.rpartition(".")
            self._holes.append((model.get_submodule(module), leaf))

    def take_tokenizer(self, tokenizer: Any, config: dict[str, Any]) -> None:
        """Make a tokenizer add the tokens that its tokenizer_config.json requires.

        transformers 5 ignores `add_bos_token` and `add_eos_token` if there is a tokenizer.json.
        """
        declared = [end for end in ("bos", "eos") if config.get(f"add_{end}_token") is True]
        if not declared:
            return
        ids, text = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        there = {"bos": ids[:1] == [bos], "eos": ids[-1:] == [eos]}
        absent = [end for end in declared if not there[end]]
        if not absent:
            return
        first, last = (end in declared or there[end] for end in ("bos", "eos"))
        expected = [bos] * first + text + [eos] * last
        tokenizer.add_bos_token, tokenizer.add_eos_token = first, last
        if tokenizer("a")["input_ids"] == expected and {*ids} <= {*expected}:
            self._added |= dict.fromkeys(str(getattr(tokenizer, f"{end}_token")) for end in absent)
        else:
            self._not_added |= dict.fromkeys(f"add_{end}_token" for end in absent)

    def additions(self) -> list[str]:
        """Return a sentence for the model card about each added token."""
        return [f"{token} added as tokenizer_config.json says" for token in self._added]

    def check(self, name: str, *encode: Callable[[], Any], fill: float = math.nan) -> None:
        """Reject a model whose vectors depend on a tensor that is missing from its files.

        Each function in `encode` returns an array, a tensor, or a list of them. Missing tensors on which no vector
        depends are filled with `fill`; NaN stops a later run that depends on one after all.

        :raises BadEncoder: tensors are missing or quantised without a configuration, or the tokenizer cannot add the
            tokens that its configuration requires.
        """
        if self._not_added:
            raise BadEncoder(
                f"{name}: tokenizer_config.json sets {' and '.join(self._not_added)}, but the tokenizer does not add "
                "the token and cannot be configured to. Save tokenizer.json with a post-processor that adds it."
            )
        if self._whole:
            raise BadEncoder(
                f"{name} has integers in place of floating-point weights: {_list(self._whole)}. They are quantised, "
                "but config.json does not say how. Get the weights that match config.json."
            )
        if not self._absent or not self._matter(encode, fill):
            return
        named = _list(sorted(self._absent.values()))
        elsewhere = f" Unexpected tensors in the files: {_list(self._unknown)}." if self._unknown else ""
        raise BadEncoder(
            f"{name} lacks weights that its vectors depend on; transformers would initialise them at random: {named}."
            f"{elsewhere} Download the files again, or check that config.json matches them."
        )

    def _matter(self, encode: Sequence[Callable[[], Any]], fill: float) -> bool:
        """Whether vectors depend on the missing tensors; not on those of an unused pooler, for example."""
        import torch

        tensors = [getattr(module, leaf) for module, leaf in self._holes]
        if any(isinstance(one, torch.nn.Parameter) and not one.is_floating_point() for one in tensors):
            return True  # quantised weights
        floats = [one for one in tensors if one.is_floating_point()]
        made = []
        with torch.no_grad():
            for seed in (1, 2):
                chance = torch.Generator().manual_seed(seed)
                for one in floats:
                    one.copy_(torch.randn(one.shape, generator=chance))
                made.append([vector for call in encode for vector in _tensors(call())])
            for one in floats:
                one.fill_(fill)
        return not all(torch.allclose(*pair, rtol=1e-3, atol=1e-6) for pair in zip(*made, strict=True))


def _whole_numbers(model: Any) -> list[str]:
    """Return the floating-point parameters of a model that its own safetensors files store as integers."""
    from safetensors import safe_open

    floats = {name for name, tensor in model.named_parameters() if tensor.is_floating_point()}
    found = []
    for path in sorted(Path(model.name_or_path).glob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            for name in file.keys():  # noqa: SIM118, a file is not a mapping
                own = next((own for own in (name, name.partition(".")[2]) if own in floats), None)
                if own and file.get_slice(name).get_dtype()[0] in "IU":
                    found.append(name)
    return found


def load_watched(name: str, load: Callable[[bool], Loaded]) -> tuple[Loaded, Checkpoint]:
    """Load a model as `load_fetched` does, and return it with what was found in the attempt that succeeded."""

    def attempt(local: bool) -> tuple[Loaded, Checkpoint]:
        with watched() as checkpoint:
            return load(local), checkpoint

    return load_fetched(name, attempt)


@contextmanager
def watched() -> Iterator[Checkpoint]:
    """Record missing and unexpected tensors of the models loaded inside the context, instead of logging them."""
    import transformers.integrations.peft as adapters
    from sentence_transformers.base.modules import Module
    from transformers import PreTrainedTokenizerBase, modeling_utils
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    hide_loading_bars()
    checkpoint = Checkpoint()
    report, read = modeling_utils.log_state_dict_report, PreTrainedTokenizerBase.from_pretrained.__func__
    fill = Module.load_torch_weights.__func__

    def take(*, model: Any, loading_info: Any, **rest: Any) -> None:
        checkpoint.take(model, loading_info)
        nothing: set[Any] = set()
        without_keys = replace(loading_info, missing_keys=nothing, unexpected_keys=nothing, mismatched_keys=nothing)
        report(model=model, loading_info=without_keys, **rest)

    def from_pretrained(cls: type, name: Any, *inputs: Any, **settings: Any) -> Any:
        tokenizer = read(cls, name, *inputs, **settings)
        found = {key: settings[key] for key in REPOSITORY if settings.get(key) is not None}
        checkpoint.take_tokenizer(tokenizer, get_tokenizer_config(name, **found))
        return tokenizer

    def load_torch_weights(cls: Any, *inputs: Any, **settings: Any) -> Any:
        try:
            return fill(cls, *inputs, **settings)
        except (ValueError, RuntimeError) as error:
            place = "/".join(filter(None, (*inputs[:1], settings.get("model_name_or_path"), settings.get("subfolder"))))
            raise BadEncoder(
                f"{place}: the weights of this {cls.__name__} module cannot be read. {one_line(error)}"
            ) from error

    with ExitStack() as changes:
        for module in (modeling_utils, adapters):
            changes.enter_context(_replaced(module, "log_state_dict_report", take))
        changes.enter_context(_replaced(PreTrainedTokenizerBase, "from_pretrained", classmethod(from_pretrained)))
        changes.enter_context(_replaced(Module, "load_torch_weights", classmethod(load_torch_weights)))
        yield checkpoint


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _tensors(vectors: Any) -> list[Any]:
    """Convert an array, a tensor, or a list of them to dense tensors."""
    import torch

    if isinstance(vectors, list):
        return [tensor for one in vectors for tensor in _tensors(one)]
    tensor = torch.as_tensor(vectors)
    return [tensor.to_dense() if tensor.is_sparse else tensor]


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
