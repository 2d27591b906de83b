"""Shared code for the sparse and late interaction models of sentence-transformers: detection, loading, encoding."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from panglot.arrays import Ints
from panglot.data.pool import Items
from panglot.encode.budget import TokenBudget, is_out_of_memory
from panglot.encode.card import ModelCard, Role
from panglot.encode.checkpoints.checkpoint import load_watched
from panglot.encode.checkpoints.devices import describe
from panglot.encode.checkpoints.loading import PROMPT_NAMES, TYPES, explained, model_folder, vectors_of
from panglot.encode.checkpoints.precision import computed_options, loaded_options
from panglot.encode.checkpoints.revision import revision_of
from panglot.encode.checkpoints.tokens import TASKS, count_tokens, limit, prepare, reader
from panglot.encode.options import Options
from panglot.errors import BadEncoder
from panglot.progress import Progress

MOST_TEXTS = 1024
"""Texts in a batch, however short they are."""

Vectors = TypeVar("Vectors")


def stated_kind(prefix: str, name: str) -> tuple[str, list[str]]:
    """Return the sentence-transformers class that saved a model, empty if none, and its transformers architectures.

    :raises BadEncoder: the model does not exist.
    """
    with explained(name):
        folder = model_folder(name)
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

    def load(local: bool) -> Any:
        return getattr(sentence_transformers, kind)(
            name,
            device=options.device,
            trust_remote_code=options.trust_remote_code,
            local_files_only=local,
            model_kwargs={"dtype": TYPES[options.precision]},
        )

    with explained(name):
        model, checkpoint = load_watched(name, load)
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


class TextEncoder:
    """A model that encodes the distinct texts of a pool in batches of as many tokens as `budget` says, longest first.

    No batch has more than `most_texts` texts.
    """

    def __init__(
        self, name: str, model: Any, card: ModelCard, budget: TokenBudget, most_texts: int = MOST_TEXTS
    ) -> None:
        self._model, self._most = model, most_texts
        self._readers = {role: reader(name, model, role) for role in TASKS}
        self.card, self.budget = card, budget
        self.device = str(model.device)
        self.hardware = describe(model, [self.device])

    def count_tokens(self, texts: Sequence[str], role: Role) -> Ints:
        """Count the tokens of each text with its prompt, before truncation, [texts]."""
        prompt = self._model.prompts[PROMPT_NAMES[role][0]]
        return count_tokens(self._readers[role].tokenizer, [prompt + text for text in texts])

    def cut_at(self, role: Role) -> int | None:
        """Return the maximum number of tokens for texts in a role, or None."""
        return limit(self._readers[role], role)

    def _encode_items(
        self,
        items: Items,
        role: Role,
        encode: Callable[[list[str]], Sequence[Vectors]],
        label: str,
        progress: Progress,
    ) -> list[Vectors]:
        """Return what `encode` makes of the text of each item; surrounding white space is stripped.

        A batch that does not fit in memory is halved, and so are all later ones.
        """
        texts = [text.strip() for text in items.texts]
        unique = sorted(set(texts))
        tokens = np.clip(self.count_tokens(unique, role), 1, self.cut_at(role)).tolist()
        order = sorted(range(len(unique)), key=lambda row: -tokens[row])
        made: dict[str, Vectors] = {}
        with progress(label, len(unique)) as advance:
            while len(made) < len(order):
                longest = tokens[order[len(made)]]
                size = min(self._most, max(1, self.budget.tokens // longest))
                batch = [unique[row] for row in order[len(made) : len(made) + size]]
                begun = time.monotonic()
                try:
                    vectors = encode(batch)
                except Exception as error:
                    if not is_out_of_memory(error) or len(batch) == 1:
                        raise
                    self.budget.exceed(longest * len(batch))
                    continue
                self.budget.record(longest * len(batch), time.monotonic() - begun)
                made.update(zip(batch, vectors, strict=True))
                advance(len(batch))
        return [made[text] for text in texts]
