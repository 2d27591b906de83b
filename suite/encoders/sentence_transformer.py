"""`st:name`, `org/name` or a folder: a model that the library sentence-transformers loads."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from suite.arrays import Floats, Ints
from suite.encoder import ModelCard, Options, Role
from suite.encoders.revision import folder_revision, hub_revision
from suite.errors import BadEncoder, PanglotError, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

PROMPT_NAMES: dict[Role, tuple[str, ...]] = {"query": ("query",), "passage": ("document", "passage", "corpus")}
"""The names under which a model's own configuration keeps its prompts, in the order of sentence-transformers."""

LONGEST = 1_000_000
"""Tokenizers that know no limit state an absurd one."""


def load(name: str, options: Options) -> SentenceTransformerEncoder:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers, or the backend's library, is not installed.
    :raises BadEncoder: there is no such model, or it cannot do what the options ask.
    """
    require("sentence_transformers", "st", f"The model {name}")
    check_folder(name, "modules.json", "config.json")
    from sentence_transformers import SentenceTransformer

    devices = find_devices(options)
    with explained(name):
        model = SentenceTransformer(
            name,
            device=devices[0] if len(devices) == 1 else "cpu",
            trust_remote_code=options.trust_remote_code,
            local_files_only=is_out_of_reach(name),
            truncate_dim=options.truncate_dim,
            model_kwargs=weights(options, devices),
        )
    return kind_of(model)(name, model, options, devices)


def kind_of(model: Any) -> type[SentenceTransformerEncoder]:
    """What a model is wrapped in: one that supports images sees them."""
    return SeeingSentenceTransformer if model.supports("image") else SentenceTransformerEncoder


class SentenceTransformerEncoder:
    """A sentence-transformers model that does what the options ask and what its own configuration says otherwise.

    :raises BadEncoder: an option that this model cannot follow.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        options: Options,
        devices: list[str],
        pooling: str = "",
        similarity: Literal["cosine", "dot"] | None = None,
        suffix: str = "",
    ) -> None:
        folder = Path(name)
        revision = folder_revision(folder) if folder.is_dir() else hub_revision(model.config)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        _check_tokenizer(name, getattr(model[0], "tokenizer", None))
        _set_length(name, model, options.max_length)
        _check_dimension(name, model, options.truncate_dim)
        library = f"sentence-transformers {version('sentence-transformers')}, torch {version('torch')}"
        if options.backend == "openvino":
            from suite.encoders.openvino import compile_with_openvino

            compile_with_openvino(name, revision, model[0], options.precision)
            library += f", openvino {version('openvino')}"
        self._model = model
        self._devices = devices
        self._pool: Any = None
        self._autocast = options.backend == "torch" and options.precision == "bf16" and devices == ["cpu"]
        self.card = ModelCard(
            name=(folder.resolve().name if folder.is_dir() else name) + suffix,
            revision=revision,
            library=library,
            similarity=similarity or ("dot" if str(model.similarity_fn_name) == "dot" else "cosine"),
            dimension=model.get_embedding_dimension(),
            parameters=parameters,
            max_length=_length(model),
            prompts=_prompts(model, options),
            precision=options.precision,
            backend=f"{options.backend}, {pooling} pooling" if pooling else options.backend,
            trust_remote_code=_ran_remote_code(model),
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [texts, dimension], each text behind the prompt of its role; one forward pass on each device."""
        import torch

        encode = self._model.encode_query if role == "query" else self._model.encode_document
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            vectors: Floats = encode(
                list(texts),
                prompt=self.card.prompts.get(role, ""),
                batch_size=max(len(texts), 1),
                show_progress_bar=False,
                convert_to_numpy=True,
                **self._workers(len(texts)),
            )
        return np.asarray(vectors, np.float32)

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Tokens of each text with its prompt and special tokens, before truncation, [texts]."""
        prompt = self.card.prompts.get(role, "")
        tokens = _tokenize(self._model[0].tokenizer, [prompt + text for text in texts])
        return np.array([len(found) for found in tokens], np.int32)

    def _workers(self, texts: int) -> dict[str, Any]:
        """A process for each of several devices, started when first needed and stopped with this encoder."""
        if len(self._devices) == 1:
            return {}
        if self._pool is None:
            self._pool = self._model.start_multi_process_pool(self._devices)
            weakref.finalize(self, self._model.stop_multi_process_pool, self._pool)
        return {"pool": self._pool, "chunk_size": max(-(-texts // len(self._devices)), 1)}


class SeeingSentenceTransformer(SentenceTransformerEncoder):
    """A model that puts images into the space of its texts: CLIP, SigLIP, routers with a way for each."""

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Vectors [images, dimension]; the model's own processor brings each image to its size."""
        import torch

        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            vectors: Floats = self._model.encode(
                list(images),
                prompt="",
                batch_size=max(len(images), 1),
                show_progress_bar=False,
                convert_to_numpy=True,
                **self._workers(len(images)),
            )
        return np.asarray(vectors, np.float32)


def find_devices(options: Options) -> list[str]:
    """The devices asked for, or the best one that is there.

    :raises BadEncoder: a device that is not there, or that cannot do what is asked of it.
    """
    import torch
    from sentence_transformers.util import get_device_name

    devices = [device.strip() for device in (options.device or get_device_name()).split(",")]
    if options.backend == "openvino":
        if options.device not in (None, "cpu"):
            raise BadEncoder(f"--backend openvino computes on the processor. Leave out --device {options.device}.")
        return ["cpu"]
    for device in devices:
        try:
            torch.empty(0, device=device)
        except Exception as error:
            raise BadEncoder(f"There is no device '{device}' here. {_first_line(error)}") from error
    if options.precision == "fp16" and any(torch.device(device).type == "cpu" for device in devices):
        raise BadEncoder("--precision fp16 needs a GPU. On a processor ask for --precision bf16.")
    return devices


def weights(options: Options, devices: list[str]) -> dict[str, Any]:
    """Settings for loading weights: their type, which the checkpoint would choose otherwise, and what export needs.

    In bf16 on the processor they stay float32, since autocast is faster there and closer; worker processes do not see
    an autocast, so with several devices the weights themselves are bf16.
    """
    import torch

    if options.backend == "openvino":
        return {"dtype": torch.float32, "attn_implementation": "eager"}
    kept = options.precision == "fp32" or devices == ["cpu"]
    return {"dtype": torch.float32 if kept else {"bf16": torch.bfloat16, "fp16": torch.float16}[options.precision]}


def check_folder(name: str, *files: str) -> None:
    """Refuse a folder that holds none of these files.

    :raises BadEncoder: naming them.
    """
    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in files):
        described = f"neither {files[0]} nor {files[1]}" if len(files) > 1 else f"no {files[0]}"
        raise BadEncoder(f"{folder} is no model: it has {described}.")


def is_out_of_reach(name: str) -> bool:
    """Whether the Hub cannot be asked about a name, so that only its cache is left; asked once, not for every file."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if Path(name).is_dir():
        return False
    try:
        HfApi().model_info(name, timeout=10)
    except HfHubHTTPError:
        return False
    except Exception:
        return True
    return False


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn whatever fails while a model is loaded into one sentence with the next step.

    :raises BadEncoder: with that sentence.
    """
    try:
        yield
    except PanglotError:
        raise
    except Exception as error:
        raise BadEncoder(_reason(name, error)) from error


def _reason(name: str, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return f"{name} runs code from its own repository. Read that code, and allow it by --trust-remote-code."
    if not Path(name).is_dir() and not _is_cached(name):
        return (
            f"{name} is no folder here, is not in the Hub's cache, and could not be fetched. Check the name and the "
            f"network; a gated model also needs 'hf auth login'. {type(error).__name__}: {_first_line(error)}"
        )
    return f"{name} cannot be loaded by sentence-transformers. {type(error).__name__}: {_first_line(error)}"


def _is_cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except ValueError:
        return False


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _check_tokenizer(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that is missing, or that transformers made up because its files are: special tokens only.

    :raises BadEncoder: naming the file that is needed.
    """
    special = len(getattr(tokenizer, "all_special_tokens", ()))
    if tokenizer is None or (special and len(tokenizer) <= special):
        raise BadEncoder(f"{name} has no tokenizer. Put its tokenizer.json beside its weights.")


def _prompts(model: Any, options: Options) -> dict[Role, str]:
    """What the person asked for, or what the model's configuration has for the role, or for every text."""
    own = {role: next(filter(None, map(model.prompts.get, names)), "") for role, names in PROMPT_NAMES.items()}
    if not any(own.values()) and model.default_prompt_name:
        own = dict.fromkeys(own, model.prompts.get(model.default_prompt_name) or "")
    asked: dict[Role, str | None] = {"query": options.query_prompt, "passage": options.passage_prompt}
    chosen: dict[Role, str] = {role: own[role] if text is None else text for role, text in asked.items()}
    return {role: prompt for role, prompt in chosen.items() if prompt}


def _length(model: Any) -> int | None:
    """Tokens after which texts are cut, if they are; static embeddings say it in their tokenizer."""
    cut = getattr(model[0].tokenizer, "truncation", None)
    length = cut["max_length"] if cut else model.max_seq_length
    return None if length is None or length > LONGEST else int(length)


def _set_length(name: str, model: Any, asked: int | None) -> None:
    """Cut texts where the person asked.

    :raises BadEncoder: the model has no places for so many tokens, or cuts no texts.
    """
    if asked is None:
        return
    places = getattr(model.config, "max_position_embeddings", None)
    if asked < 1 or (places and asked > places):
        raise BadEncoder(f"--max-length {asked}: {name} reads from 1 to {places or LONGEST} tokens.")
    try:
        model.max_seq_length = asked
    except AttributeError as error:
        raise BadEncoder(f"{name} cuts no texts. Leave out --max-length.") from error


def _check_dimension(name: str, model: Any, asked: int | None) -> None:
    if asked is None:
        return
    with model.truncate_embeddings(None):
        whole = model.get_embedding_dimension()
    if not 1 <= asked <= (whole or asked):
        raise BadEncoder(f"--truncate-dim {asked}: {name} has vectors of {whole} dimensions. Ask for 1 to {whole}.")


def _tokenize(tokenizer: Any, texts: list[str]) -> Sequence[Sequence[Any]]:
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


def _ran_remote_code(model: Any) -> bool:
    """Whether a part of the model is of a class that came with its weights."""
    parts = [*model.modules(), model.config, model[0].tokenizer]
    return any(type(part).__module__.startswith("transformers_modules.") for part in parts)
