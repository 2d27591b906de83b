"""Reduce a large encoder to fewer layers and tokens. The result needs training before it works well."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from panglot.errors import BadEncoder
from panglot.train.towers.layers import layers_of


def keep_layers(transformer: Any, wanted: int) -> None:
    """Keep `wanted` layers: two thirds from the start and one third from the end; remove those in between.

    :raises BadEncoder: the base has fewer layers, or they are not found.
    """
    network = transformer.auto_model
    layers = layers_of(network)
    count = len(layers)
    if wanted > count:
        raise BadEncoder(f"text.layers: the base has {count} layers, not {wanted}. Reduce or remove text.layers.")
    last = max(1, round(wanted / 3))
    del layers[wanted - last : count - last]
    network.config.num_hidden_layers = wanted


def keep_tokens(transformer: Any, texts: Sequence[str], size: int | None, whole: Sequence[str] = ()) -> None:
    """Reduce the vocabulary to the `size` tokens that are most frequent in the texts, and all tokens of `whole`.

    The texts in `whole` keep their vectors. Without a `size`, so do the others.

    :raises BadEncoder: the vocabulary cannot be trimmed.
    """
    network, base = transformer.auto_model, transformer.tokenizer
    tokenizer = Tokenizer.from_str(base.backend_tokenizer.to_str())
    tokenizer.no_truncation()
    counts = count_tokens(tokenizer, texts)
    if whole or size is None:
        counts = Counter(dict(counts.most_common(size))) + count_tokens(tokenizer, whole)
        size = None
    trimmed, kept = trim_vocabulary(tokenizer, counts, size)
    transformer.processor = PreTrainedTokenizerFast(
        tokenizer_object=trimmed, model_input_names=base.model_input_names, **base.special_tokens_map
    )
    table = network.get_input_embeddings()
    padding = transformer.tokenizer.pad_token_id
    network.set_input_embeddings(torch.nn.Embedding.from_pretrained(table.weight[kept].detach(), False, padding))
    network.config.update({"vocab_size": len(kept), "pad_token_id": padding})


def count_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> Counter[int]:
    """How often each token occurs in the texts."""
    return Counter(chain.from_iterable(found.ids for found in tokenizer.encode_batch(list(texts))))


def trim_vocabulary(tokenizer: Tokenizer, counts: Counter[int], size: int | None) -> tuple[Tokenizer, list[int]]:
    """Trim a Unigram tokenizer to its special and most frequent tokens, and return it with their former ids.

    If `counts` has fewer tokens than `size`, the first of the others are added: the base orders them by frequency.
    Without a `size`, just the tokens in `counts` are kept.

    :raises BadEncoder: the tokenizer is not a Unigram one; in other kinds tokens depend on each other.
    """
    content = json.loads(tokenizer.to_str())
    if content["model"]["type"] != "Unigram":
        raise BadEncoder(
            f"Only a Unigram vocabulary can be trimmed, not {content['model']['type']}. Remove text.vocabulary."
        )
    pieces = content["model"]["vocab"]
    special = {token["id"] for token in content["added_tokens"]} | {content["model"]["unk_id"]}
    ordered = dict.fromkeys(chain((token for token, _ in counts.most_common()), range(len(pieces))))
    frequent = [token for token in ordered if token not in special]
    most = len(counts.keys() - special) if size is None else max(0, size - len(special))
    kept = sorted([*special, *frequent[:most]])
    place = {old: new for new, old in enumerate(kept)}
    content["model"]["vocab"] = [pieces[old] for old in kept]
    content["model"]["unk_id"] = place[content["model"]["unk_id"]]
    for token in content["added_tokens"]:
        token["id"] = place[token["id"]]
    for token in ((content["post_processor"] or {}).get("special_tokens") or {}).values():
        token["ids"] = [place[old] for old in token["ids"]]
    return Tokenizer.from_str(json.dumps(content)), kept
