"""Debiasing: remove language-specific components from finished vectors, without encoding again.

    centre       v - mean of its language
    shift:LANG   v - mean of its language + mean of LANG
    project:R    v without the R leading directions between the language means; needs no language at query time
    lir:R        v without the R leading components of its own language (Yang et al., 2021, arXiv 2109.04727)

Queries and passages have separate means, because a model with prompts maps them to different regions. If the model
compares by cosine, the vectors are normalised again afterwards.

A method learns one array: an offset for each language [languages, dim], or orthonormal directions for each language
[languages, R, dim], the same for all languages in `project`. Production needs nothing else (`production.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.image import IMAGES
from panglot.errors import BadEncoder, UnknownName
from panglot.languages import find_language, shortest
from panglot.numbers import count, is_count


class Fit(NamedTuple):
    """Statistics of one role's vectors that a method learns from.

    `texts` [languages] is the number of texts, `mean` [languages, dim] their mean vector. `moment`
    [languages, dim, dim] is the mean of v vᵀ; None unless the method needs components.
    """

    languages: tuple[str, ...]
    texts: Ints
    mean: Floats
    moment: Floats | None = None


class Method(NamedTuple):
    """A debiasing method: its name, a sentence on what it does, and what it needs in production.

    `learn` returns an offset [languages, dim] or directions [languages, R, dim]; the rows of languages without texts
    are undefined. `knows_language` says whether the method needs the language of each text.
    """

    name: str
    sentence: str
    needs: str
    knows_language: bool
    needs_moment: bool
    learn: Callable[[Fit], Floats]

    def fit(self, vectors: Floats, language: Ints, languages: Sequence[str]) -> Fit:
        """Statistics of one role's vectors [items, dim]; `language` [items] indexes `languages`."""
        texts = np.bincount(language, minlength=len(languages))
        dim = vectors.shape[1]
        mean = np.zeros((len(languages), dim))
        moment = np.zeros((len(languages), dim, dim)) if self.needs_moment else None
        for place in np.flatnonzero(texts):
            own = vectors[language == place].astype(np.float64)
            mean[place] = own.mean(axis=0)
            if moment is not None:
                moment[place] = own.T @ own / len(own)
        return Fit(tuple(languages), texts, mean, moment)

    def apply(self, fit: Fit, vectors: Floats, language: Ints, unit: bool) -> Floats:
        """The debiased vectors [items, dim] as float32; `unit` normalises them to unit length.

        :raises BadEncoder: the fit has no texts in one of the languages, or a vector becomes zero.
        """
        unknown = np.flatnonzero((np.bincount(language, minlength=len(fit.languages)) > 0) & (fit.texts == 0))
        if len(unknown) and self.knows_language:
            names = [fit.languages[place] for place in unknown]
            if names == [IMAGES]:
                raise BadEncoder(f"{self.name} cannot learn images from texts. Fit it on the corpus, or use project:R.")
            raise BadEncoder(
                f"{self.name} cannot learn {', '.join(names)}: the fit has no texts in "
                f"{'that language' if len(names) == 1 else 'those languages'}. Add some, or use project:R, which needs "
                "no language."
            )
        left = remove(self.learn(fit), vectors.astype(np.float64), language)
        norm = np.linalg.norm(left, axis=1, keepdims=True)
        nothing = np.flatnonzero(norm[:, 0] <= np.finfo(np.float32).eps * np.linalg.norm(vectors, axis=1))
        if len(nothing):
            raise BadEncoder(
                f"{self.name} reduces {count(len(nothing), 'vector')} to zero. Fit it on more texts, or remove fewer "
                "directions."
            )
        return (left / norm if unit else left).astype(np.float32)


def remove(learned: Floats, vectors: Floats, language: Ints) -> Floats:
    """Subtract from vectors [items, dim] what a method learned about their `language` [items]."""
    if learned.ndim == 2:
        return vectors - learned[language]
    left = vectors.copy()
    for place in np.unique(language):
        own = language == place
        left[own] -= vectors[own] @ learned[place].T @ learned[place]
    return left


def parse_method(name: str) -> Method:
    """The method with this name: `parse_method("project:10")`. Its own name has one spelling of a language or number.

    :raises UnknownName: there is no such method, its argument is missing or invalid, or it takes no argument.
    """
    family, separator, argument = name.partition(":")
    if family == "centre" and not separator:
        sentence = "Subtracts from each vector the mean of its language."
        return Method(name, sentence, _NEEDS_MEANS, True, False, lambda fit: fit.mean)
    if family == "shift" and argument:
        target = shortest(argument)
        sentence = f"Moves each language's vectors so that their mean is that of {target}."
        name = f"{family}:{target}"
        return Method(name, sentence, _NEEDS_MEANS, True, False, lambda fit: fit.mean - _mean_of(fit, target))
    if family in ("project", "lir") and is_count(argument):
        number = int(argument)
        name = f"{family}:{number}"
        if family == "project":
            sentence = f"Removes the {number} leading directions between the means of the languages."
            return Method(name, sentence, _NEEDS_MATRIX, False, False, lambda fit: _between_languages(fit, number))
        sentence = f"Removes the {number} leading components of the text's own language."
        return Method(name, sentence, _NEEDS_COMPONENTS, True, True, lambda fit: _leading_components(fit, number))
    hint = "In project:R and lir:R, R is a positive integer of at most nine digits."
    raise UnknownName("debiasing method", name, EXAMPLES, hint)


_NEEDS_MEANS = "The language of every document and query, and one subtraction; documents must be reindexed."
_NEEDS_COMPONENTS = "The language of every document and query, and a small product; documents must be reindexed."
_NEEDS_MATRIX = "One matrix product for each vector, but no language at query time; documents must be reindexed."

_NOISE = 1e-6
"""Relative size below which a direction is rounding of float32 vectors, so that removing it would be arbitrary."""

EXAMPLES = ("centre", "project:R", "lir:R", "shift:LANG")
"""All methods with their arguments."""


def _mean_of(fit: Fit, language: str) -> Floats:
    found = find_language(language, fit.languages)
    if found is None:
        raise UnknownName("language", language, fit.languages)
    place = fit.languages.index(found)
    if not fit.texts[place]:
        raise BadEncoder(f"shift:{language} cannot be fitted: there are no texts in {language}.")
    mean: Floats = fit.mean[place]
    return mean


def _between_languages(fit: Fit, number: int) -> Floats:
    """The `number` leading orthonormal directions between the language means, repeated for each language.

    :raises BadEncoder: there are fewer directions between these languages, since they are few or their means coincide.
    """
    means = fit.mean[fit.texts > 0]
    if len(means) < 2:
        raise BadEncoder(f"project:{number} needs texts in at least two languages to learn from.")
    _, size, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    most = min(int((size > _NOISE * np.linalg.norm(means)).sum()), means.shape[1] - 1)
    if not most:
        raise BadEncoder(f"project:{number}: the means of the {len(means)} languages it learns from are the same.")
    if number > most:
        raise BadEncoder(
            f"project:{number} asks for {number} directions, but the means of the {len(means)} languages it learns "
            f"from differ in only {most}. Use project:{most}, or texts in more languages."
        )
    return np.broadcast_to(directions[:number], (len(fit.languages), number, means.shape[1]))


def _leading_components(fit: Fit, number: int) -> Floats:
    """The `number` leading orthonormal components of each language.

    :raises BadEncoder: this would remove all dimensions, or a language's texts have fewer components.
    """
    assert fit.moment is not None
    if number >= fit.moment.shape[1]:
        raise BadEncoder(
            f"lir:{number} would remove all of the vectors' {fit.moment.shape[1]} dimensions. Choose fewer components."
        )
    size, components = np.linalg.eigh(fit.moment)  # ascending
    few = np.flatnonzero((fit.texts > 0) & (size[:, -number] <= _NOISE**2 * size[:, -1]))
    if len(few):
        names = ", ".join(fit.languages[place] for place in few[:5])
        raise BadEncoder(
            f"lir:{number}: the texts in {names} have fewer than {number} components. Fit it on more texts."
        )
    return components[:, :, -number:].swapaxes(1, 2)


def two_folds(cluster: Ints) -> Ints:
    """The fold of each query, 0 or 1, [queries]; a cluster is never split."""
    return np.unique(cluster, return_inverse=True)[1].reshape(-1) % 2


def apply_in_folds(
    method: Method, vectors: Floats, language: Ints, cluster: Ints, languages: Sequence[str], unit: bool
) -> Floats:
    """Debias each query with a fit on the *other* half of the question clusters, [queries, dim].

    So neither the query itself nor another question of its cluster contributes to its fit.

    :raises BadEncoder: there is only one cluster, or the method cannot be fitted on a half.
    """
    fold = two_folds(cluster)
    if len(fold) and not fold.any():
        raise BadEncoder(
            f"{method.name} is fitted on the other half of the question clusters, but these queries form one cluster. "
            "Fit it on texts instead: --debias-fit FILE."
        )
    left = np.empty(vectors.shape, np.float32)
    for own in (0, 1):
        here, there = fold == own, fold != own
        fit = method.fit(vectors[there], language[there], languages)
        left[here] = method.apply(fit, vectors[here], language[here], unit)
    return left
