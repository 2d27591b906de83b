"""`hf:name?pooling=mean`: a bare transformers encoder, its token vectors pooled as the person says.

`pooling=own` takes the vectors that the model itself makes of a text and of an image: CLIP, SigLIP and their like.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from panglot.encode.checkpoints.checkpoint import watched
from panglot.encode.checkpoints.loading import check_folder, explained, find_devices, is_out_of_reach, weights
from panglot.encode.checkpoints.precision import computed_options
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder, kind_of
from panglot.encode.model import Options
from panglot.errors import BadEncoder, require

POOLINGS = {"mean": "mean", "cls": "cls", "last": "lasttoken", "max": "max"}
"""Our names of the poolings, and those of sentence-transformers; all of them leave padding out, on either side."""

OWN = "own"
"""Stands for a pooling that the model does itself, by `get_text_features` and `get_image_features`."""

TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
"""Texts go in as they are, even where the tokenizer brings a template for chats."""


class Request(NamedTuple):
    """What a name of this kind says."""

    name: str
    pooling: str
    normalise: bool


def load(text: str, options: Options) -> SentenceTransformerEncoder:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers, or the backend's library, is not installed.
    :raises BadEncoder: there is no such model, the pooling is not stated, or an option cannot be followed.
    """
    request = parse(text)
    require("sentence_transformers", "st", f"The model hf:{text}")
    check_folder(request.name, "config.json", "adapter_config.json")
    from sentence_transformers import SentenceTransformer

    options = computed_options(options)
    devices = find_devices(options)
    with explained(request.name), watched() as checkpoint:
        model = SentenceTransformer(
            modules=_modules(request, options, devices),
            device=devices[0] if len(devices) == 1 else "cpu",
            truncate_dim=options.truncate_dim,
        )
    similarity: Literal["cosine", "dot"] = "cosine" if request.normalise else "dot"
    suffix = f"?pooling={request.pooling}"
    return kind_of(model)(request.name, model, options, devices, checkpoint, request.pooling, similarity, suffix)


def parse(text: str) -> Request:
    """What stands after `hf:`.

    :raises BadEncoder: it states no pooling, or something that does not exist.
    """
    name, _, query = text.partition("?")
    settings = {"normalise": "true", **dict(parse_qsl(query, keep_blank_values=True))}
    unknown, poolings = sorted(set(settings) - {"pooling", "normalise"}), (*POOLINGS, OWN)
    if unknown:
        raise BadEncoder(f"hf:{text}: there is no {unknown[0]}. It takes pooling={'|'.join(poolings)} and normalise.")
    if settings.get("pooling") not in poolings:
        advice = f" Or write st:{name}, whose own folder says." if (Path(name) / "modules.json").is_file() else ""
        raise BadEncoder(f"hf:{text} must state its pooling: hf:{name}?pooling={'|'.join(poolings)}.{advice}")
    if settings["normalise"] not in ("true", "false"):
        raise BadEncoder(f"hf:{text}: normalise is true or false, not '{settings['normalise']}'.")
    return Request(name, settings["pooling"], settings["normalise"] == "true")


def _modules(request: Request, options: Options, devices: list[str]) -> list[Any]:
    """The transformer, the pooling, and what brings vectors to unit length if asked."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    shared = {"trust_remote_code": options.trust_remote_code, "local_files_only": is_out_of_reach(request.name)}
    loading = {"model_kwargs": weights(options, devices) | shared, "config_kwargs": dict(shared)}
    loading["processor_kwargs"] = dict(shared)
    unit = [Normalize()] if request.normalise else []
    if request.pooling == OWN:
        transformer = Transformer(request.name, **loading)
        if transformer.module_output_name != "sentence_embedding":
            raise BadEncoder(f"hf:{request.name} makes no vector of a whole text by itself. State another pooling.")
        return [transformer, *unit]
    transformer = Transformer(request.name, **loading, modality_config=TEXT_ONLY, module_output_name="token_embeddings")
    return [transformer, Pooling(transformer.get_embedding_dimension(), POOLINGS[request.pooling]), *unit]
