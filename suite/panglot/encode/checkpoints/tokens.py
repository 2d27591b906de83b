"""Where texts enter a model of sentence-transformers, in either role: its tokenizer, and where it cuts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from panglot.encode.model import Role
from panglot.errors import BadEncoder

LONGEST = 1_000_000
"""Tokenizers that know no limit state an absurd one."""

TASKS: dict[Role, str] = {"query": "query", "passage": "document"}
"""Our roles, and what sentence-transformers calls them."""

LENGTHS = ("max_seq_length", "query_length", "document_length")
"""Where a module keeps the tokens after which it cuts all texts, or those of a role."""

POSITION_TABLES = ("position_embeddings", "position_embedding", "embed_positions", "wpe")
"""What transformers calls learned positions; a text cannot have more tokens than such a table has rows."""


def reader(name: str, model: Any, role: Role) -> Any:
    """The module that reads the texts of a role: the first of the model, or of the way that a router sends them.

    :raises BadEncoder: a router without a way for this role.
    """
    module = model[0]
    while hasattr(module, "sub_modules"):
        try:
            module = module.sub_modules[module._resolve_route(TASKS[role], "text")][0]
        except ValueError as error:
            raise BadEncoder(f"{name} has no route for a {role}: {error}") from error
    return module


def prepare(name: str, readers: Iterable[Any], max_length: int | None) -> list[str]:
    """Make every text readable as the model was trained, cut where it can be; what was assumed, as sentences.

    :raises BadEncoder: there is no tokenizer, it cannot pad, or the texts cannot be cut at `max_length`.
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
    """Tokens after which a module cuts texts of a role, if it does; static embeddings say it in their tokenizer."""
    cut = getattr(module.tokenizer, "truncation", None)
    if cut:
        return int(cut["max_length"])
    lengths = (*(one.get("max_length") for one in _settings(module)), getattr(module, f"{TASKS[role]}_length", None))
    length = next(filter(None, lengths), None) or getattr(module, "max_seq_length", None)
    return None if length is None or length > LONGEST else int(length)


def tokenize(tokenizer: Any, texts: list[str]) -> Sequence[Sequence[Any]]:
    """Whole texts cut by a tokenizer of transformers, of static embeddings, or of word vectors."""
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


def positions(module: Any) -> int | None:
    """Most tokens that a transformer has positions for, as its configuration says; RoBERTa's begin behind padding's."""
    config: Any = getattr(module, "config", None)
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    most = getattr(text, "max_position_embeddings", None)
    if not isinstance(most, int) or most < 1:
        return None
    return most - max((table.padding_idx + 1 for table in _tables(module) if table.padding_idx is not None), default=0)


def _settings(module: Any) -> list[dict[str, Any]]:
    """What a module's configuration passes to its tokenizer with every text; the first counts most."""
    all_settings = getattr(module, "processing_kwargs", None) or {}
    return [all_settings[kind] for kind in ("text", "common") if kind in all_settings]


def _check_tokenizer(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that is missing, or that transformers made up because its files are: special tokens only.

    :raises BadEncoder: naming the file that is needed.
    """
    special = len(getattr(tokenizer, "all_special_tokens", ()))
    if tokenizer is None or (special and len(tokenizer) <= special):
        raise BadEncoder(f"{name} has no tokenizer. Put its tokenizer.json beside its weights.")


def _set_padding(name: str, tokenizer: Any) -> None:
    """Let decoders, which often have no padding token, pad with the token that ends a text; it is masked anyway."""
    if getattr(tokenizer, "pad_token", "") is not None:
        return
    if tokenizer.eos_token is None:
        raise BadEncoder(f"{name}: its tokenizer has neither a padding token nor one that ends a text. Add pad_token.")
    tokenizer.pad_token = tokenizer.eos_token


def _fit_positions(module: Any) -> list[str]:
    """Cut where a table of learned positions ends: beyond it the libraries fail, or take other rows and say nothing.

    Such positions are counted from the left, so that padding on that side would move a text by its neighbours' length.
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
    """Write a length wherever a module has one of these names for it."""
    for name in names:
        if getattr(module, name, None) is not None:
            setattr(module, name, length)
    for one in _settings(module):
        if "max_length" in one and "max_length" in names:
            one["max_length"] = length


def _tables(module: Any) -> list[Any]:
    """The tables of learned positions in a module."""
    from torch.nn import Embedding

    found = [getattr(part, name, None) for part in module.modules() for name in POSITION_TABLES]
    return [table for table in found if isinstance(table, Embedding)]


def _pad_as_trained(module: Any) -> None:
    """Pad texts for SigLIP to its full length: it reads its padding, and else a vector would depend on its batch."""
    if str(getattr(getattr(module, "config", None), "model_type", "")).startswith("siglip"):
        module.max_seq_length = min(module.max_seq_length or LONGEST, module.config.text_config.max_position_embeddings)
        module.processing_kwargs = {"text": {"padding": "max_length"}, **module.processing_kwargs}


def check_length(name: str, readers: Iterable[Any], asked: int) -> None:
    """Refuse to cut texts where the model has no places for so many tokens.

    :raises BadEncoder: saying how many it has.
    """
    places = min((most for most in map(positions, readers) if most), default=None)
    if asked < 1 or (places and asked > places):
        raise BadEncoder(f"--max-length {asked}: {name} reads from 1 to {places or LONGEST} tokens.")


def _set_length(name: str, readers: Sequence[Any], asked: int | None) -> None:
    """Cut texts where the person asked.

    :raises BadEncoder: the model has no places for so many tokens, or cuts no texts.
    """
    if asked is None:
        return
    check_length(name, readers, asked)
    able = [module for module in readers if _can_cut(module)]
    if not able:
        raise BadEncoder(f"{name} cuts no texts. Leave out --max-length.")
    for module in able:
        module.max_seq_length = asked
        _cut(module, asked, *LENGTHS, "max_length")


def _can_cut(module: Any) -> bool:
    try:
        module.max_seq_length = module.max_seq_length
    except AttributeError:
        return False
    return True
