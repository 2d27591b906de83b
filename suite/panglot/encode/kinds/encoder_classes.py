"""Shared code for the sparse and late interaction models of sentence-transformers: detection, loading, encoding."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from panglot.data.pool import Items
from panglot.encode.card import ModelCard, Role
from panglot.encode.checkpoints.checkpoint import watched
from panglot.encode.checkpoints.loading import PROMPT_NAMES, TYPES, explained, vectors_of
from panglot.encode.checkpoints.precision import computed_options, loaded_options
from panglot.encode.checkpoints.revision import revision_of
from panglot.encode.checkpoints.tokens import TASKS, limit, prepare, reader
from panglot.encode.options import Options
from panglot.errors import BadEncoder
from panglot.hub import patiently
from panglot.progress import Progress

BATCH = 16

Vectors = TypeVar("Vectors")


def stated_kind(prefix: str, name: str) -> tuple[str, list[str]]:
    """Return the sentence-transformers class that saved a model, empty if none, and its transformers architectures.

    :raises BadEncoder: the model does not exist.
    """
    from huggingface_hub import snapshot_download

    folder = Path(name)
    with explained(name):
        if not folder.is_dir():
            wanted = ["config*.json", "modules.json"]
            folder = Path(patiently(lambda: snapshot_download(name, allow_patterns=wanted)))
        saved, config = (_content(folder / file) for file in ("config_sentence_transformers.json", "config.json"))
    modules = (folder / "modules.json").is_file()
    if not (saved or config or modules):
        raise BadEncoder(
            f"{prefix}:{name} is not a model: it has neither config_sentence_transformers.json, modules.json nor "
            "config.json. Give a folder saved by sentence-transformers, or a name on the Hub."
        )
    kind = saved.get("model_type") or ("SentenceTransformer" if modules else "")
    return str(kind), config.get("architectures") or []


def _content(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


class Opened(NamedTuple):
    """A model, the options with the precision that it computes in, and notes on assumptions made about it."""

    model: Any
    options: Options
    notes: list[str]


def open_model(kind: str, name: str, options: Options, max_length: int | None) -> Opened:
    """Load a model of a sentence-transformers class, with its prompts under `query` and `document`.

    :raises BadEncoder: the model cannot be loaded, lacks weights, or cannot truncate texts at `max_length`.
    """
    import sentence_transformers

    options = computed_options(options)
    with explained(name), watched() as checkpoint:
        model = patiently(
            lambda: getattr(sentence_transformers, kind)(
                name,
                device=options.device,
                trust_remote_code=options.trust_remote_code,
                model_kwargs={"dtype": TYPES[options.precision]},
            )
        )
    notes = prepare(name, [reader(name, model, role) for role in TASKS], max_length)
    checkpoint.check(name, *vectors_of(model))
    asked: dict[Role, str | None] = {"query": options.query_prompt, "passage": options.passage_prompt}
    own = {role: next(filter(None, map(model.prompts.get, names)), "") for role, names in PROMPT_NAMES.items()}
    for role, prompt in asked.items():
        model.prompts[PROMPT_NAMES[role][0]] = own[role] if prompt is None else prompt
    return Opened(model, loaded_options(options, model), [*notes, *(f"{added}." for added in checkpoint.additions())])


def card(name: str, opened: Opened, similarity: Literal["cosine", "dot", "late interaction"]) -> ModelCard:
    """Return the card of a model that `open_model` loaded."""
    model, options = opened.model, opened.options
    folder = Path(name)
    prompts: dict[Role, str] = {role: model.prompts[keys[0]] for role, keys in PROMPT_NAMES.items()}
    transformer = model.transformers_model
    return ModelCard(
        name=folder.resolve().name if folder.is_dir() else name,
        revision=revision_of(name, getattr(transformer, "config", None)),
        library=f"sentence-transformers {version('sentence-transformers')}",
        similarity=similarity,
        dimension=model.get_embedding_dimension(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        max_length=limit(reader(name, model, "passage"), "passage"),
        prompts={role: prompt for role, prompt in prompts.items() if prompt},
        precision=options.precision or "fp32",
        backend="torch",
        trust_remote_code=options.trust_remote_code,
        note=" ".join(opened.notes),
    )


def encode_distinct(
    items: Items, encode: Callable[[list[str]], Sequence[Vectors]], chunk: int, label: str, progress: Progress
) -> list[Vectors]:
    """Encode each item's text; distinct texts are encoded once, longest first, `chunk` at a time.

    Surrounding white space is stripped, as for dense models.
    """
    texts = [text.strip() for text in items.texts]
    unique = sorted(set(texts), key=lambda text: (-len(text), text))
    made: dict[str, Vectors] = {}
    with progress(label, len(unique)) as advance:
        for start in range(0, len(unique), chunk):
            part = unique[start : start + chunk]
            made.update(zip(part, encode(part), strict=True))
            advance(len(part))
    return [made[text] for text in texts]
