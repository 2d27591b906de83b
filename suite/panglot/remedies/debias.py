"""Debiasing: what languages have in common is taken out of finished vectors; nothing is encoded again.

    centre       v - mean of its language
    shift:LANG   v - mean of its language + mean of LANG
    project:R    v without the R leading directions between the language means; needs no language at query time
    lir:R        v without the R leading components of its own language (Yang et al., 2021, arXiv 2109.04727)

Each role has means of its own, since a model with prompts puts queries and passages into different places. Afterwards
every vector has unit length again where the model compares by cosine.

What a method learns is one array: an offset for each language [languages, dim], or orthonormal directions for each
language [languages, R, dim], which `project` has in common. It is all that production needs (`production.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.errors import BadEncoder, UnknownName


class Fit(NamedTuple):
    """What a method learns from, of the vectors of one role: `texts` [languages], and `mean` [languages, dim].

    `moment` [languages, dim, dim] is the mean of v vᵀ; it is made only where a method asks for components.
    """

    languages: tuple[str, ...]
    texts: Ints
    mean: Floats
    moment: Floats | None = None


class Method(NamedTuple):
    """A method by the name it prints and parses as, with what it does and what it needs in production.

    `learn` gives an offset [languages, dim] or directions [languages, R, dim]; rows of languages without texts mean
    nothing. `knows_language` says whether a text's language is needed to take it out.
    """

    name: str
    sentence: str
    needs: str
    knows_language: bool
    needs_moment: bool
    learn: Callable[[Fit], Floats]

    def fit(self, vectors: Floats, language: Ints, languages: Sequence[str]) -> Fit:
        """Statistics of vectors [items, dim] of one role, whose languages [items] index `languages`."""
        count = np.bincount(language, minlength=len(languages))
        dim = vectors.shape[1]
        mean = np.zeros((len(languages), dim))
        moment = np.zeros((len(languages), dim, dim)) if self.needs_moment else None
        for place in np.flatnonzero(count):
            own = vectors[language == place].astype(np.float64)
            mean[place] = own.mean(axis=0)
            if moment is not None:
                moment[place] = own.T @ own / len(own)
        return Fit(tuple(languages), count, mean, moment)

    def apply(self, fit: Fit, vectors: Floats, language: Ints, unit: bool) -> Floats:
        """The vectors [items, dim] without their languages, float32; `unit` brings them to unit length.

        :raises BadEncoder: a language that the fit has no vectors of, or a vector of which nothing is left.
        """
        unknown = np.flatnonzero((np.bincount(language, minlength=len(fit.languages)) > 0) & (fit.texts == 0))
        if len(unknown) and self.knows_language:
            names = ", ".join(fit.languages[place] for place in unknown[:5])
            raise BadEncoder(f"{self.name} has nothing to learn {names} from: the texts of the fit have none in it.")
        left = remove(self.learn(fit), vectors.astype(np.float64), language)
        norm = np.linalg.norm(left, axis=1, keepdims=True)
        nothing = np.flatnonzero(norm[:, 0] <= np.finfo(np.float32).eps * np.linalg.norm(vectors, axis=1))
        if len(nothing):
            raise BadEncoder(
                f"{self.name} leaves nothing of {len(nothing)} vectors: they are what their language has in common. "
                "Fit it on more texts, or remove fewer directions."
            )
        return (left / norm if unit else left).astype(np.float32)


def remove(learned: Floats, vectors: Floats, language: Ints) -> Floats:
    """Vectors [items, dim] without what a method learned of their languages [items]."""
    if learned.ndim == 2:
        return vectors - learned[language]
    left = vectors.copy()
    for place in np.unique(language):
        own = language == place
        left[own] -= vectors[own] @ learned[place].T @ learned[place]
    return left


def parse_method(name: str) -> Method:
    """The method of a printed name: `parse_method("project:10")`.

    :raises UnknownName: there is no such method, or it lacks its argument or has one too many.
    """
    family, separator, argument = name.partition(":")
    if family == "centre" and not separator:
        sentence = "Subtracts from each vector the mean of its language."
        return Method(name, sentence, _NEEDS_MEANS, True, False, lambda fit: fit.mean)
    if family == "shift" and argument:
        sentence = f"Moves each language so that its mean is that of {argument}."
        return Method(name, sentence, _NEEDS_MEANS, True, False, lambda fit: fit.mean - _mean_of(fit, argument))
    if family in ("project", "lir") and argument.isascii() and argument.isdigit() and int(argument):
        number = int(argument)
        if family == "project":
            sentence = f"Removes the {number} leading directions between the means of the languages."
            return Method(name, sentence, _NEEDS_MATRIX, False, False, lambda fit: _between_languages(fit, number))
        sentence = f"Removes the {number} leading components of the text's own language."
        return Method(name, sentence, _NEEDS_COMPONENTS, True, True, lambda fit: _leading_components(fit, number))
    raise UnknownName("method of debiasing", name, EXAMPLES, "R is a number of directions, at least 1.")


_NEEDS_MEANS = "The language of every document and query, and one subtraction; documents are indexed again."
_NEEDS_COMPONENTS = "The language of every document and query, and a small product; documents are indexed again."
_NEEDS_MATRIX = "No language at query time: one matrix product for each vector; documents are indexed again."

EXAMPLES = ("centre", "project:R", "lir:R", "shift:LANG")
"""Every method, with the argument that it takes."""


def _mean_of(fit: Fit, language: str) -> Floats:
    if language not in fit.languages:
        raise UnknownName("language", language, fit.languages)
    place = fit.languages.index(language)
    if not fit.texts[place]:
        raise BadEncoder(f"shift:{language} has no texts in {language} to learn from.")
    mean: Floats = fit.mean[place]
    return mean


def _between_languages(fit: Fit, number: int) -> Floats:
    """The leading directions between the language means, orthonormal, the same for each language.

    :raises BadEncoder: there are not so many between these languages.
    """
    means = fit.mean[fit.texts > 0]
    most = min(len(means) - 1, means.shape[1] - 1)
    if number > most:
        raise BadEncoder(f"project:{number}: between {len(means)} languages there are at most {most} directions.")
    leading = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)[2][:number]
    return np.broadcast_to(leading, (len(fit.languages), *leading.shape))


def _leading_components(fit: Fit, number: int) -> Floats:
    """The leading components of each language, orthonormal.

    :raises BadEncoder: nothing would be left of any vector.
    """
    assert fit.moment is not None
    if number >= fit.moment.shape[1]:
        raise BadEncoder(
            f"lir:{number}: the vectors have {fit.moment.shape[1]} dimensions, and something must be left."
        )
    return np.linalg.eigh(fit.moment)[1][:, :, -number:].swapaxes(1, 2)


def two_folds(cluster: Ints) -> Ints:
    """Which half of the clusters each query is in, 0 or 1, [queries]; a cluster is never divided."""
    return np.unique(cluster, return_inverse=True)[1].reshape(-1) % 2


def apply_in_folds(
    method: Method, vectors: Floats, language: Ints, cluster: Ints, languages: Sequence[str], unit: bool
) -> Floats:
    """Each query without what the *other* half of the question clusters says of its language, [queries, dim].

    No query is part of what is taken from it, nor is another question of its cluster.
    """
    fold = two_folds(cluster)
    left = np.empty(vectors.shape, np.float32)
    for own in (0, 1):
        here, there = fold == own, fold != own
        fit = method.fit(vectors[there], language[there], languages)
        left[here] = method.apply(fit, vectors[here], language[here], unit)
    return left
