"""`hf:NAME?pooling=mean`: a plain transformers encoder with the given pooling of its token vectors.

`pooling=own` uses the model's own text and image vectors, as for CLIP, SigLIP and similar models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from panglot.encode.checkpoints.checkpoint import load_watched
from panglot.encode.checkpoints.loading import (
    check_folder,
    explained,
    find_devices,
    loading_device,
    placed,
    weights,
)
from panglot.encode.checkpoints.precision import computed_options, loaded_options
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder, kind_of
from panglot.encode.options import Options
from panglot.errors import BadEncoder, require

POOLINGS = {"mean": "mean", "cls": "cls", "last": "lasttoken", "max": "max"}
"""Poolings, and their names in sentence-transformers; all of them ignore padding, on either side."""

OWN = "own"
"""The model's own pooling, by `get_text_features` and `get_image_features`."""

TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
"""Texts are used unchanged, even if the tokenizer has a chat template."""


class Request(NamedTuple):
    """The parts of a model name of this kind."""

    name: str
    pooling: str
    normalise: bool


def load(text: str, options: Options) -> SentenceTransformerEncoder:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers, or the backend's library, is not installed.
    :raises BadEncoder: the model does not exist, the pooling is not specified, or an option is not supported.
    """
    request = parse(text)
    require("sentence_transformers", "st", f"The model hf:{text}")
    check_folder(request.name, "config.json", "adapter_config.json")
    from sentence_transformers import SentenceTransformer

    options = computed_options(options)
    devices = find_devices(options)

    def load(local: bool) -> Any:
        modules = _modules(request, options, devices, local)
        return SentenceTransformer(modules=modules, device=loading_device(devices), truncate_dim=options.truncate_dim)

    with explained(request.name):
        model, checkpoint = load_watched(request.name, load)
    similarity: Literal["cosine", "dot"] = "cosine" if request.normalise else "dot"
    suffix = f"?pooling={request.pooling}"
    options, devices = loaded_options(options, model), placed(model, devices)
    return kind_of(model)(request.name, model, options, devices, checkpoint, request.pooling, similarity, suffix)


def parse(text: str) -> Request:
    """Parse the part of the name after `hf:`.

    :raises BadEncoder: the pooling is not specified, or a setting or its value is unknown.
    """
    name, _, query = text.partition("?")
    settings = {"normalise": "true", **dict(parse_qsl(query, keep_blank_values=True))}
    unknown, poolings = sorted(set(settings) - {"pooling", "normalise"}), (*POOLINGS, OWN)
    if unknown:
        raise BadEncoder(
            f"hf:{text}: unknown setting '{unknown[0]}'. Known: pooling={'|'.join(poolings)} and normalise."
        )
    if settings.get("pooling") not in poolings:
        advice = f" Or use st:{name}, which uses modules.json." if (Path(name) / "modules.json").is_file() else ""
        raise BadEncoder(f"hf:{text} must specify the pooling: hf:{name}?pooling={'|'.join(poolings)}.{advice}")
    if settings["normalise"] not in ("true", "false"):
        raise BadEncoder(f"hf:{text}: normalise must be true or false, not '{settings['normalise']}'.")
    return Request(name, settings["pooling"], settings["normalise"] == "true")


def _modules(request: Request, options: Options, devices: list[str], local: bool) -> list[Any]:
    """Return the transformer, the pooling and, if requested, the normalisation."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    shared = {"trust_remote_code": options.trust_remote_code, "local_files_only": local}
    loading = {"model_kwargs": weights(options, devices) | shared, "config_kwargs": dict(shared)}
    loading["processor_kwargs"] = dict(shared)
    unit = [Normalize()] if request.normalise else []
    if request.pooling == OWN:
        transformer = Transformer(request.name, **loading)
        if transformer.module_output_name != "sentence_embedding":
            raise BadEncoder(f"hf:{request.name} does not have its own pooling. Specify another pooling.")
        return [transformer, *unit]
    transformer = Transformer(request.name, **loading, modality_config=TEXT_ONLY, module_output_name="token_embeddings")
    return [transformer, Pooling(transformer.get_embedding_dimension(), POOLINGS[request.pooling]), *unit]
