"""`sparse:name` or a folder: learned sparse retrieval, a weight for each word of a vocabulary (SPLADE, 2107.05720)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from suite.arrays import Floats
from suite.encoder import ModelCard, Options, Role
from suite.encoders.revision import folder_revision, hub_revision
from suite.errors import BadEncoder, require
from suite.pool import Items, Pool
from suite.progress import Progress
from suite.scores import Scores

PROMPTS: dict[Role, tuple[str, ...]] = {"query": ("query",), "passage": ("document", "passage", "corpus")}
"""The names under which a model's own configuration keeps its prompts, first match that says something wins."""

CHUNK = 64
"""Texts encoded at once: with a vocabulary of 250,000 words their dense form takes 64 MB."""

BATCH = 16

Csr = Any
"""A `scipy.sparse.csr_array`; scipy comes with sentence-transformers and not with the core."""

Vectors = TypeVar("Vectors")


def load(name: str, options: Options) -> SparseModel:
    """Load from a folder or from the Hub.

    :raises MissingExtra: sentence-transformers is not installed.
    :raises BadEncoder: there is no such model, or it is of another kind.
    """
    require("sentence_transformers", "st", f"The model sparse:{name}")
    kind, architectures = stated_kind("sparse", name)
    if kind != "SparseEncoder" and (kind or not any(one.endswith("ForMaskedLM") for one in architectures)):
        raise BadEncoder(
            f"sparse:{name} is no learned sparse model but a {kind or 'bare encoder'}. Expected one that "
            f"sentence-transformers saved as a SparseEncoder, or a masked language model. Try st:{name}."
        )
    model = open_model("sparse", "SparseEncoder", name, options)
    if options.max_length is not None:
        model.max_seq_length = options.max_length
    similarity = str(model.similarity_fn_name)
    if similarity not in ("dot", "cosine"):
        raise BadEncoder(f"sparse:{name} compares vectors by {similarity}. Expected dot or cosine.")
    facts = card(name, model, options, "cosine" if similarity == "cosine" else "dot")
    words = model.encode_document("a", convert_to_sparse_tensor=False, show_progress_bar=False).shape[-1]
    return SparseModel(model, facts.model_copy(update={"dimension": words}))


def stated_kind(prefix: str, name: str) -> tuple[str, list[str]]:
    """The class of sentence-transformers that saved a model, if one did, and its transformers architectures.

    :raises BadEncoder: there is no such model.
    """
    from huggingface_hub import snapshot_download

    folder = Path(name)
    try:
        if not folder.is_dir():
            folder = Path(snapshot_download(name, allow_patterns=["config*.json", "modules.json"]))
        saved, config = (_content(folder / file) for file in ("config_sentence_transformers.json", "config.json"))
    except Exception as error:
        raise _not_loaded(prefix, name, error) from error
    modules = (folder / "modules.json").is_file()
    if not (saved or config or modules):
        raise BadEncoder(
            f"{prefix}:{name} is no model: it has neither config_sentence_transformers.json, modules.json nor "
            "config.json. Give a folder that sentence-transformers saved, or a name on the Hub."
        )
    kind = saved.get("model_type") or ("SentenceTransformer" if modules else "")
    return str(kind), config.get("architectures") or []


def _content(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def open_model(prefix: str, kind: str, name: str, options: Options) -> Any:
    """A model of one of the classes of sentence-transformers, with its prompts under `query` and `document`.

    :raises BadEncoder: it cannot be loaded.
    """
    import sentence_transformers
    import torch

    precision = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[options.precision]
    try:
        model = getattr(sentence_transformers, kind)(
            name,
            device=options.device,
            trust_remote_code=options.trust_remote_code,
            model_kwargs={"dtype": precision},
        )
    except Exception as error:
        raise _not_loaded(prefix, name, error) from error
    asked: dict[Role, str | None] = {"query": options.query_prompt, "passage": options.passage_prompt}
    own = {
        role: next((model.prompts[key] for key in keys if model.prompts.get(key)), "") for role, keys in PROMPTS.items()
    }
    for role, prompt in asked.items():
        model.prompts[PROMPTS[role][0]] = own[role] if prompt is None else prompt
    return model


def _not_loaded(prefix: str, name: str, error: Exception) -> BadEncoder:
    reason = str(error).strip().partition("\n")[0]
    return BadEncoder(f"{prefix}:{name} cannot be loaded by sentence-transformers. {type(error).__name__}: {reason}")


def card(
    name: str, model: Any, options: Options, similarity: Literal["cosine", "dot", "late interaction"]
) -> ModelCard:
    """What is known of a model that `open_model` opened."""
    folder = Path(name)
    prompts: dict[Role, str] = {role: model.prompts[keys[0]] for role, keys in PROMPTS.items()}
    transformer = model.transformers_model
    return ModelCard(
        name=folder.resolve().name if folder.is_dir() else name,
        revision=folder_revision(folder) if folder.is_dir() else hub_revision(getattr(transformer, "config", None)),
        library=f"sentence-transformers {version('sentence-transformers')}",
        similarity=similarity,
        dimension=model.get_embedding_dimension(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        max_length=model.max_seq_length,
        prompts={role: prompt for role, prompt in prompts.items() if prompt},
        precision=options.precision,
        backend="torch",
        trust_remote_code=options.trust_remote_code,
    )


def encode_distinct(
    items: Items, encode: Callable[[list[str]], Sequence[Vectors]], chunk: int, label: str, progress: Progress
) -> list[Vectors]:
    """What `encode` makes of each item's text, each different text encoded once, longest first, `chunk` at a time.

    Outer white space is stripped, as it is for dense models.
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


class SparseModel:
    """A scorer whose vectors stay sparse."""

    def __init__(self, model: Any, card: ModelCard) -> None:
        self._model = model
        self.card = card

    def scores(self, pool: Pool, progress: Progress) -> Scores:
        """Encode both sides.

        :raises BadEncoder: a weight that is no number.
        """
        queries = self._encode(pool.queries, self._model.encode_query, "encoding queries", progress)
        candidates = self._encode(pool.candidates, self._model.encode_document, "encoding candidates", progress)
        return SparseScores(queries, candidates)

    def _encode(self, items: Items, encode: Callable[..., Any], label: str, progress: Progress) -> Csr:
        """Weights [items, vocabulary], float32; of unit length where the model compares by cosine."""
        from scipy.sparse import csr_array, vstack

        def rows(texts: list[str]) -> list[Csr]:
            dense = encode(
                texts, batch_size=BATCH, show_progress_bar=False, convert_to_sparse_tensor=False, save_to_cpu=True
            )
            weights: Floats = dense.float().numpy()
            if not np.isfinite(weights).all():
                raise BadEncoder(f"{self.card.name} returned NaN or infinity for one of {texts[:3]} ...")
            if self.card.similarity == "cosine":
                weights = weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
            return [csr_array(weight[None]) for weight in weights]

        return vstack(encode_distinct(items, rows, CHUNK, label, progress), format="csr")


class SparseScores:
    """Dot products of sparse vectors: `queries` [queries, vocabulary] with `candidates` [candidates, vocabulary], CSR.

    A score is summed in the order of the query's words, so equal candidates score equally wherever they stand.
    """

    def __init__(self, queries: Csr, candidates: Csr) -> None:
        self._queries = queries
        self._candidates = candidates.T.tocsr()

    def block(self, start: int, stop: int) -> Floats:
        """The product of a block of queries with all candidates, made dense, float32."""
        product: Floats = (self._queries[start:stop] @ self._candidates).toarray()
        return product.astype(np.float32, copy=False)
