"""The tokenizers of a sentence-transformers model by role, and where they truncate texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from panglot.arrays import Ints
from panglot.encode.card import Role
from panglot.errors import BadEncoder

LONGEST = 1_000_000
"""Larger limits are placeholders of tokenizers without a limit."""

TOGETHER = 2048
"""Texts whose tokens are counted at a time: tokens take 180 bytes each before they are numbers."""

TASKS: dict[Role, str] = {"query": "query", "passage": "document"}
"""Roles, and their names in sentence-transformers."""

LENGTHS = ("max_seq_length", "query_length", "document_length")
"""Attributes with the maximum length of all texts, or of texts in one role."""

POSITION_TABLES = ("position_embeddings", "position_embedding", "embed_positions", "wpe")
"""Names of learned position embeddings in transformers; a text cannot have more tokens than such a table has rows."""


def reader(name: str, model: Any, role: Role) -> Any:
    """Return the module that tokenizes texts in a role: the model's first, or the first on the router's route.

    :raises BadEncoder: a router has no route for this role.
    """
    module = model[0]
    while hasattr(module, "sub_modules"):
        try:
            module = module.sub_modules[module._resolve_route(TASKS[role], "text")][0]
        except ValueError as error:
            raise BadEncoder(f"{name} has no route for a {role}: {error}") from error
    return module


def prepare(name: str, readers: Iterable[Any], max_length: int | None) -> list[str]:
    """Configure padding and truncation as the model was trained; returns notes on assumptions, as sentences.

    :raises BadEncoder: the model has no tokenizer, cannot pad, or cannot truncate texts at `max_length`.
    """
    notes = []
    different = list({id(module): module for module in readers}.values())
    for module in different:
        tokenizer = getattr(module, "tokenizer", None)
        _check_tokenizer(name, tokenizer)
        _set_padding(name, tokenizer)
        notes += _fit_positions(module)
        _pad_as_trained(module)
    _set_length(name, different, max_length)
    return notes


def limit(module: Any, role: Role) -> int | None:
    """Return the maximum number of tokens for texts in a role, or None; static embeddings store it in the tokenizer."""
    cut = getattr(module.tokenizer, "truncation", None)
    if cut:
        return int(cut["max_length"])
    lengths = (*(one.get("max_length") for one in _settings(module)), getattr(module, f"{TASKS[role]}_length", None))
    length = next(filter(None, lengths), None) or getattr(module, "max_seq_length", None)
    return None if length is None or length > LONGEST else int(length)


def tokenize(tokenizer: Any, texts: list[str]) -> Sequence[Sequence[Any]]:
    """Tokenize texts without truncation, with a tokenizer of transformers, static embeddings or word vectors."""
    if not texts:
        return []
    if hasattr(tokenizer, "encode_batch"):
        cut = tokenizer.truncation
        tokenizer.no_truncation()
        try:
            return tokenizer.encode_batch(texts, add_special_tokens=False)
        finally:
            if cut:
                tokenizer.enable_truncation(**cut)
    if callable(tokenizer):
        return tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    return [tokenizer.tokenize(text) for text in texts]


def count_tokens(tokenizer: Any, texts: Sequence[str]) -> Ints:
    """Count the tokens of each text as `tokenize` does, [texts], int32; only some texts' tokens are in memory."""
    parts = (list(texts[start : start + TOGETHER]) for start in range(0, len(texts), TOGETHER))
    return np.array([len(tokens) for part in parts for tokens in tokenize(tokenizer, part)], np.int32)


def positions(module: Any) -> int | None:
    """Return the number of positions of a transformer, from its configuration; RoBERTa's start after the padding's."""
    config: Any = getattr(module, "config", None)
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    most = getattr(text, "max_position_embeddings", None)
    if not isinstance(most, int) or most < 1:
        return None
    return most - max((table.padding_idx + 1 for table in _tables(module) if table.padding_idx is not None), default=0)


def _settings(module: Any) -> list[dict[str, Any]]:
    """Return the tokenizer settings in a module's configuration; the first takes precedence."""
    all_settings = getattr(module, "processing_kwargs", None) or {}
    return [all_settings[kind] for kind in ("text", "common") if kind in all_settings]


def _check_tokenizer(name: str, tokenizer: Any) -> None:
    """Reject a missing tokenizer, and one with only special tokens, which transformers creates if files are missing.

    :raises BadEncoder: the model has no tokenizer.
    """
    special = len(getattr(tokenizer, "all_special_tokens", ()))
    if tokenizer is None or (special and len(tokenizer) <= special):
        raise BadEncoder(f"{name} has no tokenizer. Put its tokenizer.json next to its weights.")


def _set_padding(name: str, tokenizer: Any) -> None:
    """Let decoders, which often have no padding token, pad with the end-of-text token; padding is masked anyway."""
    if getattr(tokenizer, "pad_token", "") is not None:
        return
    if tokenizer.eos_token is None:
        raise BadEncoder(f"{name}: its tokenizer has neither a padding nor an end-of-text token. Add pad_token.")
    tokenizer.pad_token = tokenizer.eos_token


def _fit_positions(module: Any) -> list[str]:
    """Truncate at the end of the learned position table: beyond it, libraries fail or silently use other rows.

    Such positions are counted from the left, so left padding would shift a text by the length of its batch.
    """
    most = positions(module)
    if most is None or not _tables(module):
        return []
    module.tokenizer.padding_side = "right"
    stated = [(name, getattr(module, name, None)) for name in LENGTHS]
    stated += [("max_length", one.get("max_length")) for one in _settings(module)]
    notes = []
    for name, length in stated:
        if length and length > most:
            _cut(module, most, name)
            if length <= LONGEST:
                notes.append(f"Its {name} is {length}, but it has {most} positions: texts are cut there.")
    return notes


def _cut(module: Any, length: int, *names: str) -> None:
    """Set the length in every attribute or setting of a module that has one of these names."""
    for name in names:
        if getattr(module, name, None) is not None:
            setattr(module, name, length)
    for one in _settings(module):
        if "max_length" in one and "max_length" in names:
            one["max_length"] = length


def _tables(module: Any) -> list[Any]:
    """Return the learned position embeddings in a module."""
    from torch.nn import Embedding

    found = [getattr(part, name, None) for part in module.modules() for name in POSITION_TABLES]
    return [table for table in found if isinstance(table, Embedding)]


def _pad_as_trained(module: Any) -> None:
    """Pad texts for SigLIP to full length: it attends to padding, so vectors would otherwise depend on the batch."""
    if str(getattr(getattr(module, "config", None), "model_type", "")).startswith("siglip"):
        module.max_seq_length = min(module.max_seq_length or LONGEST, module.config.text_config.max_position_embeddings)
        module.processing_kwargs = {"text": {"padding": "max_length"}, **module.processing_kwargs}


def check_length(name: str, readers: Iterable[Any], length: int) -> None:
    """Check that the model has enough positions for texts of `length` tokens.

    :raises BadEncoder: the model has fewer positions.
    """
    most = min((found for found in map(positions, readers) if found), default=None)
    if length < 1 or (most and length > most):
        raise BadEncoder(f"--max-length {length}: {name} supports 1 to {most or LONGEST} tokens.")


def _set_length(name: str, readers: Sequence[Any], length: int | None) -> None:
    """Truncate texts at the requested length.

    :raises BadEncoder: the model has fewer positions, or cannot truncate texts.
    """
    if length is None:
        return
    check_length(name, readers, length)
    able = [module for module in readers if _can_cut(module)]
    if not able:
        raise BadEncoder(f"{name} does not truncate texts. Omit --max-length.")
    for module in able:
        module.max_seq_length = length
        _cut(module, length, *LENGTHS, "max_length")


def _can_cut(module: Any) -> bool:
    try:
        module.max_seq_length = module.max_seq_length
    except AttributeError:
        return False
    return True
