"""`st:name`, `org/name` or a folder: a model that the library sentence-transformers loads."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.encode.checkpoints.checkpoint import Checkpoint, watched
from panglot.encode.checkpoints.loading import (
    PROMPT_NAMES,
    check_folder,
    explained,
    find_devices,
    is_out_of_reach,
    vectors_of,
    weights,
)
from panglot.encode.checkpoints.precision import computed_options
from panglot.encode.checkpoints.revision import revision_of
from panglot.encode.checkpoints.tokens import TASKS, limit, prepare, reader, tokenize
from panglot.encode.model import ModelCard, Options, Role
from panglot.errors import BadEncoder, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def load(name: str, options: Options) -> SentenceTransformerEncoder:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers, or the backend's library, is not installed.
    :raises BadEncoder: there is no such model, or it cannot do what the options ask.
    """
    require("sentence_transformers", "st", f"The model {name}")
    check_folder(name, "modules.json", "config.json", "adapter_config.json")
    from sentence_transformers import SentenceTransformer

    options = computed_options(options)
    devices = find_devices(options)
    away = is_out_of_reach(name)
    with explained(name), watched() as checkpoint:
        model = SentenceTransformer(
            name,
            device=devices[0] if len(devices) == 1 else "cpu",
            trust_remote_code=options.trust_remote_code,
            local_files_only=away,
            truncate_dim=options.truncate_dim,
            model_kwargs=weights(options, devices),
        )
        _check_pooling(name, model, away)
    return kind_of(model)(name, model, options, devices, checkpoint)


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
        checkpoint: Checkpoint,
        pooling: str = "",
        similarity: Literal["cosine", "dot"] | None = None,
        suffix: str = "",
    ) -> None:
        folder = Path(name)
        revision = revision_of(name, model.config)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        compared = similarity or _similarity(name, model)
        self._readers = {role: reader(name, model, role) for role in TASKS}
        notes = prepare(name, self._readers.values(), options.max_length)
        _check_dimension(name, model, options.truncate_dim)
        checkpoint.check(name, *vectors_of(model))
        library = f"sentence-transformers {version('sentence-transformers')}, torch {version('torch')}"
        if options.backend == "openvino":
            from panglot.encode.checkpoints.openvino import compile_with_openvino

            compile_with_openvino(name, revision, model[0], options.precision)
            library += f", openvino {version('openvino')}"
        self._model = model
        self._devices = devices
        self._pool: Any = None
        self._autocast = options.backend == "torch" and options.precision == "bf16" and devices == ["cpu"]
        backend = [options.backend, pooling and f"{pooling} pooling", *checkpoint.additions()]
        self.card = ModelCard(
            name=(folder.resolve().name if folder.is_dir() else name) + suffix,
            revision=revision,
            library=library,
            similarity=compared,
            dimension=model.get_embedding_dimension(),
            parameters=parameters,
            max_length=self.cut_at("passage"),
            prompts=_prompts(model, options),
            precision=options.precision,
            backend=", ".join(filter(None, backend)),
            trust_remote_code=_ran_remote_code(model),
            note=" ".join([*notes, *self._cuts()]),
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
        tokens = tokenize(self._readers[role].tokenizer, [prompt + text for text in texts])
        return np.array([len(found) for found in tokens], np.int32)

    def cut_at(self, role: Role) -> int | None:
        """Tokens after which texts of a role are cut, if they are."""
        return limit(self._readers[role], role)

    def save_without(self, directions: Floats, folder: Path) -> None:
        """Save the model with orthonormal `directions` [R, dim] removed from its vectors.

        :raises BadEncoder: they are of another dimension.
        """
        from panglot.encode.checkpoints.projection import save_without

        save_without(self._model, directions, self.card.prompts, folder)

    def _cuts(self) -> list[str]:
        """Where a router cuts queries elsewhere than passages, as a sentence."""
        cuts = {role: self.cut_at(role) for role in self._readers}
        if len(set(cuts.values())) == 1:
            return []
        query, passage = (f"at {cut} tokens" if cut else "nowhere" for cut in cuts.values())
        return [f"Queries are cut {query}, passages {passage}."]

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


def _check_pooling(name: str, model: Any, away: bool) -> None:
    """Refuse a model whose pooling nobody stated; sentence-transformers takes the mean, or the last token, unasked.

    :raises BadEncoder: saying how to state it.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling
    from sentence_transformers.util import load_file_path

    guessed = next((part.pooling_mode for part in model if isinstance(part, Pooling)), None)
    if guessed and not load_file_path(name, "modules.json", local_files_only=away):
        pooling = "last" if guessed == "lasttoken" else guessed
        raise BadEncoder(
            f"{name} does not say how its token vectors become one: it has no modules.json of sentence-transformers. "
            f"State the pooling, as hf:{name}?pooling={pooling} (or cls, last, max)."
        )


def _similarity(name: str, model: Any) -> Literal["cosine", "dot"]:
    """How the model's own configuration compares vectors; cosine where it does not say.

    The file is asked first: sentence-transformers takes a name that it does not know, such as `dot_score`, for cosine.

    :raises BadEncoder: neither by cosine nor by dot product.
    """
    from sentence_transformers.util import load_file_path

    config = load_file_path(name, "config_sentence_transformers.json", local_files_only=True)
    written = json.loads(Path(config).read_text(encoding="utf-8")).get("similarity_fn_name") if config else None
    stated = str(written or model.similarity_fn_name)
    if stated in ("cosine", "dot"):
        return "dot" if stated == "dot" else "cosine"
    raise BadEncoder(
        f"{name} compares vectors by '{stated}'; Panglot ranks by cosine or dot product. If one of them gives the same "
        "order, write 'cosine' or 'dot' as similarity_fn_name into config_sentence_transformers.json."
    )


def _prompts(model: Any, options: Options) -> dict[Role, str]:
    """What the person asked for, or what the model's configuration has for the role, or for every text."""
    own = {role: next(filter(None, map(model.prompts.get, names)), "") for role, names in PROMPT_NAMES.items()}
    if not any(own.values()) and model.default_prompt_name:
        own = dict.fromkeys(own, model.prompts.get(model.default_prompt_name) or "")
    asked: dict[Role, str | None] = {"query": options.query_prompt, "passage": options.passage_prompt}
    chosen: dict[Role, str] = {role: own[role] if text is None else text for role, text in asked.items()}
    return {role: prompt for role, prompt in chosen.items() if prompt}


def _check_dimension(name: str, model: Any, asked: int | None) -> None:
    if asked is None:
        return
    with model.truncate_embeddings(None):
        whole = model.get_embedding_dimension()
    if not 1 <= asked <= (whole or asked):
        raise BadEncoder(f"--truncate-dim {asked}: {name} has vectors of {whole} dimensions. Ask for 1 to {whole}.")


def _ran_remote_code(model: Any) -> bool:
    """Whether a part of the model is of a class that came with its weights."""
    parts = [*model.modules(), model.config, model[0].tokenizer]
    return any(type(part).__module__.startswith("transformers_modules.") for part in parts)
