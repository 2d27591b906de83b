"""What transformers only logs while it loads a model: tensors that are not in its files, tokens that are not added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from suite.errors import BadEncoder

SHOWN = 4
"""Most tensors that a message names."""


class Checkpoint:
    """What was found while models were loaded inside `watched`."""

    def __init__(self) -> None:
        self._absent: dict[str, str] = {}
        self._unknown: list[str] = []
        self._certain = False
        self._added: dict[str, None] = {}

    def take(self, model: Any, info: Any) -> None:
        """Fill every tensor that the files lack, or hold in another shape, with NaN in place of random numbers.

        Whatever depends on such a tensor is then NaN as well, and what does not, as the vectors of a model whose pooler
        was never saved, is as it should be.
        """
        import torch

        shapes = {name: f"{name} {list(found)} for {list(own)}" for name, found, own in info.mismatched_keys}
        self._absent |= {name: name for name in sorted(info.missing_keys)} | shapes
        self._unknown += sorted(info.unexpected_keys)
        own = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
        for name in {*info.missing_keys, *shapes}:
            tensor = own.get(name)
            if tensor is not None and tensor.is_floating_point():
                with torch.no_grad():
                    tensor.fill_(torch.nan)
            elif tensor is None or isinstance(tensor, torch.nn.Parameter):
                self._certain = True

    def take_tokens(self, tokens: Iterable[str]) -> None:
        """Tokens that a tokenizer now adds to each text, because its configuration says that it does."""
        self._added |= dict.fromkeys(tokens)

    def additions(self) -> list[str]:
        """What a card says of these tokens."""
        return [f"{token} added as tokenizer_config.json says" for token in self._added]

    def check(self, name: str, *encode: Callable[[], Any]) -> None:
        """Refuse a model if any of the vectors that it makes depend on a tensor that its files lack.

        Each of `encode` returns an array, a tensor, or a list of them.

        :raises BadEncoder: naming the tensors.
        """
        if not self._absent or not (self._certain or any(_has_nan(one()) for one in encode)):
            return
        named = _list(sorted(self._absent.values()))
        elsewhere = f" The files hold others that it does not know: {_list(self._unknown)}." if self._unknown else ""
        raise BadEncoder(
            f"{name} lacks weights that its vectors depend on; transformers would make them up at random: {named}."
            f"{elsewhere} Get the files again, or check that config.json belongs to them."
        )


@contextmanager
def watched() -> Iterator[Checkpoint]:
    """See what transformers finds, and does not find, in the files of the models loaded inside; nothing is logged."""
    import transformers.integrations.peft as adapters
    from transformers import PreTrainedTokenizerBase, modeling_utils

    checkpoint = Checkpoint()
    report, read = modeling_utils.log_state_dict_report, PreTrainedTokenizerBase.from_pretrained.__func__

    def take(*, model: Any, loading_info: Any, **rest: Any) -> None:
        checkpoint.take(model, loading_info)
        nothing: set[Any] = set()
        said = replace(loading_info, missing_keys=nothing, unexpected_keys=nothing, mismatched_keys=nothing)
        report(model=model, loading_info=said, **rest)

    def from_pretrained(cls: type, name: Any, *inputs: Any, **settings: Any) -> Any:
        tokenizer = read(cls, name, *inputs, **settings)
        checkpoint.take_tokens(_add_declared(str(name), tokenizer, settings))
        return tokenizer

    with ExitStack() as changes:
        for module in (modeling_utils, adapters):
            changes.enter_context(_replaced(module, "log_state_dict_report", take))
        changes.enter_context(_replaced(PreTrainedTokenizerBase, "from_pretrained", classmethod(from_pretrained)))
        yield checkpoint


def _add_declared(name: str, tokenizer: Any, settings: dict[str, Any]) -> list[str]:
    """Make a tokenizer add the tokens that tokenizer_config.json says it adds; those that it did not, in order.

    transformers 5 drops `add_bos_token` and `add_eos_token` where there is a tokenizer.json.

    :raises BadEncoder: it cannot be made to.
    """
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    known = ("cache_dir", "token", "revision", "local_files_only", "subfolder")
    config = get_tokenizer_config(name, **{key: settings[key] for key in known if settings.get(key) is not None})
    declared = [end for end in ("bos", "eos") if config.get(f"add_{end}_token") is True]
    ids, added = tokenizer("a")["input_ids"], tokenizer("")["input_ids"]
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    there = {"bos": ids[:1] == [bos], "eos": ids[-1:] == [eos]}
    absent = [end for end in declared if not there[end]]
    if not absent:
        return []
    tokenizer.add_bos_token, tokenizer.add_eos_token = (end in declared or there[end] for end in there)
    expected = [bos] * tokenizer.add_bos_token + [eos] * tokenizer.add_eos_token
    if tokenizer("")["input_ids"] != expected or not {*added} <= {*expected}:
        flags = " and ".join(f"add_{end}_token" for end in absent)
        raise BadEncoder(
            f"{name}: tokenizer_config.json sets {flags}, but its tokenizer adds no such token and cannot be made to. "
            "Save its tokenizer.json with a post-processor that adds it."
        )
    return [str(getattr(tokenizer, f"{end}_token")) for end in absent]


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _has_nan(vectors: Any) -> bool:
    import torch

    if isinstance(vectors, list):
        return any(map(_has_nan, vectors))
    tensor = torch.as_tensor(vectors)
    return bool((tensor.to_dense() if tensor.is_sparse else tensor).isnan().any())


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
