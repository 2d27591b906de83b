"""The README of a debiased model: how to use it, what it was fitted on and what changed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from panglot.encode.card import ModelCard, Role
from panglot.remedies.debias import Method
from panglot.remedies.fit_texts import FitTexts

ARRAYS = "debias.npz"

_FOLDER = """\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{folder}")
queries = model.encode_query(["Where do penguins live?"])
passages = model.encode_document(["Pinguine leben auf der Südhalbkugel."])
print(model.similarity(queries, passages))
"""

_UNIT = """
def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
"""

_BY_LANGUAGE = """\
import numpy as np

with np.load("debias.npz") as stored:
    learned = dict(stored)
row = {{name: place for place, name in enumerate(learned["languages"])}}
{unit}
def debias(vectors, languages, role):  # vectors [texts, dim], a language for each, role "query" or "passage"
    own = learned[role][[row[name] for name in languages]]
    return {expression}
"""

_SHARED = """\
import numpy as np

with np.load("debias.npz") as stored:
    directions = stored["directions"]  # orthonormal rows
{unit}
def debias(vectors):  # vectors [texts, dim]
    return {expression}
"""

_EXPRESSIONS = {
    "centre": "{inner} - own",
    "shift": "{inner} - own",
    "lir": "vectors - np.einsum('td,trd,tre->te', vectors, own, own, optimize=True)",
    "project": "vectors - vectors @ directions.T @ directions",
}
"""NumPy expressions that debias vectors, by family of the method."""


def folder_card(
    card: ModelCard, method: Method, texts: FitTexts, between: Mapping[Role, tuple[float, float]], folder: str
) -> str:
    """The README of a folder that sentence-transformers loads."""
    facts = ["---", "library_name: sentence-transformers", "pipeline_tag: sentence-similarity"]
    if "/" in card.name:
        facts.append(f"base_model: {card.name}")
    if card.licence != "unknown":
        facts.append(f"license: {card.licence.lower()}")
    about = (
        f"One module was added to {_named(card)}. It removes {method.name.partition(':')[2]} of {card.dimension} "
        "directions from every vector: those along which the means of the languages differ most. No language is needed "
        "at query time."
    )
    use = _code(_FOLDER.format(folder=folder))
    return "\n".join([*facts, "---", ""]) + _document(card, method, texts, between, about, use)


def array_card(card: ModelCard, method: Method, texts: FitTexts, between: Mapping[Role, tuple[float, float]]) -> str:
    """The README of a folder with arrays."""
    cosine = card.similarity == "cosine"
    expression = _EXPRESSIONS[method.name.partition(":")[0]].format(inner="unit(vectors)" if cosine else "vectors")
    code = (_BY_LANGUAGE if method.knows_language else _SHARED).format(
        unit=_UNIT if cosine else "", expression=f"unit({expression})" if cosine else expression
    )
    needs = "The language of every query and passage is needed." if method.knows_language else "No language is needed."
    about = f"`{ARRAYS}` holds what `{method.name}` removes from vectors of {_named(card)}. {needs}"
    return _document(card, method, texts, between, about, _code(code))


def _document(
    card: ModelCard,
    method: Method,
    texts: FitTexts,
    between: Mapping[Role, tuple[float, float]],
    about: str,
    use: str,
) -> str:
    counts = ", ".join(f"{language} {number:,}" for language, number in texts.counts.items())
    changed = "\n".join(f"| {role} | {before:.3f} | {after:.3f} |" for role, (before, after) in between.items())
    prompts = ", ".join(f"{role} `{prompt}`" for role, prompt in card.prompts.items())
    before_texts = f"Prompts: {prompts}." if prompts else "There are no prompts."
    return f"""\
# {card.name}, {method.name}

{about} Made by `panglot debias` of Panglot {version("panglot")}.

{use}
Reindex your documents: vectors of the original and of the debiased model are not comparable. {before_texts}

## Fitted on

`{texts.name}` (sha256 of its texts: {texts.digest}…), {len(texts.rows):,} texts: {counts}.

## What changed

Share of the variance of these texts' vectors that lies between languages:

| role | before | after |
|---|---|---|
{changed}

This does not measure retrieval quality. Evaluate both models on a task: `panglot run MODEL --tasks xquad-r`.
"""


def _named(card: ModelCard) -> str:
    return f"{card.name} (revision {card.revision})"


def _code(code: str) -> str:
    return f"```python\n{code}```\n"
