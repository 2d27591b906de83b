"""`st:NAME`, `ORG/NAME` or a folder: a model loaded by sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from panglot.arrays import Floats, Ints
from panglot.encode.budget import TokenBudget
from panglot.encode.card import ModelCard, Role
from panglot.encode.checkpoints.attention import use_flash
from panglot.encode.checkpoints.checkpoint import Checkpoint, load_watched
from panglot.encode.checkpoints.devices import Call, Method, describe, first_budget, image_budget, runner_of
from panglot.encode.checkpoints.loading import (
    PROMPT_NAMES,
    check_folder,
    explained,
    find_devices,
    loading_device,
    placed,
    vectors_of,
    weights,
)
from panglot.encode.checkpoints.precision import computed_options, loaded_options
from panglot.encode.checkpoints.revision import revision_of
from panglot.encode.checkpoints.tokens import TASKS, count_tokens, limit, prepare, reader
from panglot.encode.options import Options
from panglot.errors import BadEncoder, require

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def load(name: str, options: Options) -> SentenceTransformerEncoder:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers, or the backend's library, is not installed.
    :raises BadEncoder: the model does not exist, or does not support an option.
    """
    require("sentence_transformers", "st", f"The model {name}")
    check_folder(name, "modules.json", "config.json", "adapter_config.json")
    from sentence_transformers import SentenceTransformer

    options = computed_options(options)
    devices = find_devices(options)

    def load(local: bool) -> Any:
        model = SentenceTransformer(
            name,
            device=loading_device(devices),
            trust_remote_code=options.trust_remote_code,
            local_files_only=local,
            truncate_dim=options.truncate_dim,
            model_kwargs=weights(options, devices),
        )
        _check_pooling(name, model, local)
        return model

    with explained(name):
        model, checkpoint = load_watched(name, load)
    options, devices = loaded_options(options, model), placed(model, devices)
    return kind_of(model)(name, model, options, devices, checkpoint)


def kind_of(model: Any) -> type[SentenceTransformerEncoder]:
    """Return the wrapper class of a model, depending on whether it supports images."""
    return SeeingSentenceTransformer if model.supports("image") else SentenceTransformerEncoder


class SentenceTransformerEncoder:
    """A sentence-transformers model, configured by the options and otherwise by its own configuration.

    :raises BadEncoder: the model does not support an option.
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
        folder, precision = Path(name), options.precision or "fp32"
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

            compile_with_openvino(name, revision, model[0], precision)
            library += f", openvino {version('openvino')}"
        self._model = model
        if options.backend == "torch":
            use_flash(model, precision, devices)
        self._run = runner_of(model, devices)
        self.device, self.hardware = devices[0], describe(model, devices)
        self.lanes = self._run.lanes
        self.budget = TokenBudget(first_budget(model, devices), options.batch_tokens)
        self.image_budget = image_budget(devices)
        self._autocast = options.backend == "torch" and precision == "bf16" and devices == ["cpu"]
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
            precision=precision,
            backend=", ".join(filter(None, backend)),
            trust_remote_code=_ran_remote_code(model),
            note=" ".join([*notes, *self._cuts()]),
        )

    def encode(self, texts: Sequence[str], role: Role) -> Floats:
        """Return vectors [texts, dimension] of texts with the prompt of their role, in one forward pass."""
        method: Method = "encode_query" if role == "query" else "encode_document"
        return self._run(Call(method, texts, self.card.prompts.get(role, ""), self._autocast))

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Count the tokens of each text with its prompt and special tokens, before truncation, [texts]."""
        prompt = self.card.prompts.get(role, "")
        return count_tokens(self._readers[role].tokenizer, [prompt + text for text in texts])

    @property
    def model(self) -> Any:
        """The model of sentence-transformers."""
        return self._model

    def cut_at(self, role: Role) -> int | None:
        """Return the maximum number of tokens for texts in a role, or None."""
        return limit(self._readers[role], role)

    def save_without(self, directions: Floats, folder: Path) -> None:
        """Save the model with orthonormal `directions` [R, dim] removed from its vectors.

        :raises BadEncoder: the directions have another dimension than the vectors.
        """
        from panglot.encode.checkpoints.projection import save_without

        save_without(self._model, directions, self.card.prompts, folder)

    def _cuts(self) -> list[str]:
        """Return a sentence if queries and passages are truncated at different lengths."""
        cuts = {role: self.cut_at(role) for role in self._readers}
        if len(set(cuts.values())) == 1:
            return []
        query, passage = (f"at {cut} tokens" if cut else "nowhere" for cut in cuts.values())
        return [f"Queries are cut {query}, passages {passage}."]


class SeeingSentenceTransformer(SentenceTransformerEncoder):
    """A model that embeds images in the same space as texts: CLIP, SigLIP, and routers with a route for each."""

    def encode_images(self, images: Sequence[Picture]) -> Floats:
        """Return vectors [images, dimension]; the model's own processor resizes each image."""
        return self._run(Call("encode", images, "", self._autocast))


def _check_pooling(name: str, model: Any, local: bool) -> None:
    """Reject a model without a pooling configuration, for which sentence-transformers would choose one.

    :raises BadEncoder: the pooling is not configured; the message says how to specify it.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling
    from sentence_transformers.util import load_file_path

    guessed = next((part.pooling_mode for part in model if isinstance(part, Pooling)), None)
    if guessed and not load_file_path(name, "modules.json", local_files_only=local):
        pooling = "last" if guessed == "lasttoken" else guessed
        raise BadEncoder(
            f"{name} has no modules.json of sentence-transformers, so its pooling is unknown. Specify it, for example "
            f"hf:{name}?pooling={pooling} (or cls, last, max)."
        )


def _similarity(name: str, model: Any) -> Literal["cosine", "dot"]:
    """Return the similarity in the model's own configuration; cosine by default.

    The file is read first, since sentence-transformers treats unknown names, such as `dot_score`, as cosine.

    :raises BadEncoder: the similarity is neither cosine nor dot product.
    """
    from sentence_transformers.util import load_file_path

    config = load_file_path(name, "config_sentence_transformers.json", local_files_only=True)
    written = json.loads(Path(config).read_text(encoding="utf-8")).get("similarity_fn_name") if config else None
    stated = str(written or model.similarity_fn_name)
    if stated in ("cosine", "dot"):
        return "dot" if stated == "dot" else "cosine"
    raise BadEncoder(
        f"{name} uses the similarity '{stated}'; Panglot supports cosine and dot product. If one of them ranks "
        "equally, set similarity_fn_name to 'cosine' or 'dot' in config_sentence_transformers.json."
    )


def _prompts(model: Any, options: Options) -> dict[Role, str]:
    """Return the prompts: those of the options, else those of the model for the role, else its default prompt."""
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
        raise BadEncoder(f"--truncate-dim {asked}: {name} has vectors of dimension {whole}. Choose 1 to {whole}.")


def _ran_remote_code(model: Any) -> bool:
    """Whether any part of the model is defined by code from the model's own repository."""
    parts = [*model.modules(), model.config, model[0].tokenizer]
    return any(type(part).__module__.startswith("transformers_modules.") for part in parts)
