"""Export a fitted debiasing method for production.

If the method needs no language at query time, a sentence-transformers model is saved with one additional module.
Otherwise the arrays are saved as `debias.npz`, with a README that contains the NumPy code to apply them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.encode.cache import VectorCache
from panglot.encode.card import Role
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder
from panglot.encode.model import Model
from panglot.errors import BadEncoder, PanglotError
from panglot.progress import Progress, silent
from panglot.remedies.debias import Fit, Method
from panglot.remedies.fit_texts import FitTexts, fit_roles
from panglot.remedies.production_card import ARRAYS, array_card, folder_card

README = "README.md"


class Learned(NamedTuple):
    """A method fitted on a model's vectors: `fits`, and the share of variance between languages before and after."""

    method: Method
    texts: FitTexts
    fits: dict[Role, Fit]
    between: dict[Role, tuple[float, float]]


def learn(
    model: Model, method: Method, texts: FitTexts, cache: VectorCache | None = None, progress: Progress = silent
) -> Learned:
    """Fit a method on texts in both roles, exactly as `panglot run --debias-fit` does.

    :raises BadEncoder: the model does not produce text vectors, they are all the same, or there are too few texts for
        the method.
    """
    languages = tuple(texts.counts)
    vectors, place = texts.encode(model, languages, cache, progress)
    if any((own == own[0]).all() for own in vectors.values()):
        raise BadEncoder(
            f"{model.card.name} gives all texts of {texts.name} the same vector: there is nothing to learn."
        )
    fits = fit_roles(method, vectors, place, languages)
    unit = model.card.similarity == "cosine"
    between = {
        role: (share_between(own, place), share_between(method.apply(fits[role], own, place, unit), place))
        for role, own in vectors.items()
    }
    return Learned(method, texts, fits, between)


def share_between(vectors: Floats, language: Ints) -> float:
    """Share of the variance of vectors [items, dim] that lies between the means of their `language` [items]."""
    wide = vectors.astype(np.float64)
    middle = wide.mean(axis=0)
    means = np.zeros_like(wide)
    for place in np.unique(language):
        means[language == place] = wide[language == place].mean(axis=0)
    return float(((means - middle) ** 2).sum() / ((wide - middle) ** 2).sum())


def check_empty(folder: Path) -> None:
    """Check that a folder is empty or does not exist.

    :raises PanglotError: it is a file, or a folder that is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PanglotError(f"{folder} is not an empty folder. Choose another one.")


def write(model: Model, learned: Learned, folder: Path) -> list[str]:
    """Write the model or the arrays with a README, and return the names of the files in the folder.

    :raises PanglotError: the folder is not empty.
    """
    check_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = _arrays(learned)
    if isinstance(model, SentenceTransformerEncoder) and not learned.method.knows_language:
        model.save_without(arrays["directions"], folder)
        card = folder_card(model.card, learned.method, learned.texts, learned.between, folder.name)
    else:
        np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
        card = array_card(model.card, learned.method, learned.texts, learned.between)
    (folder / README).write_text(card, encoding="utf-8")
    return sorted(path.name for path in folder.iterdir())


def _arrays(learned: Learned) -> dict[str, Floats]:
    """`directions` [R, dim]; or `languages` and by role [languages, dim] offsets or [languages, R, dim] directions."""
    method, fits = learned.method, learned.fits
    if not method.knows_language:
        return {"directions": method.learn(fits["query"])[0]}
    found: dict[str, Floats] = {role: method.learn(fit) for role, fit in fits.items()}
    return {"languages": np.array(fits["query"].languages), **found}
