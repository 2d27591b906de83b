"""Pools made for tests."""

from __future__ import annotations

from collections.abc import Callable

from panglot.data.pool import Candidate, Judgement, Pool, Query

PoolMaker = Callable[..., Pool]


def parallel_questions(
    questions: int = 3, distractors: int = 2, languages: tuple[str, ...] = ("de", "en", "zh")
) -> Pool:
    """A pool of `questions` parallel questions and `distractors` more candidates, in every language."""
    return Pool.of(
        languages,
        [Query(f"{x}:q{n}", f"question {n} {x}", x, f"q{n}") for x in languages for n in range(questions)],
        [Candidate(f"{x}:c{n}", f"text {n} {x}", x) for x in languages for n in range(questions + distractors)],
        [Judgement(f"{x}:q{n}", f"{other}:c{n}") for x in languages for n in range(questions) for other in languages],
    )


def pool_of_letters() -> Pool:
    """A pool of the words that the tiny tokenizer knows."""
    texts = ["a b", "c d a", "b b", "d", "a c c b", "  a b ", "b d d"]
    return Pool.of(
        ("de", "en"),
        [Query(f"{x}:q{n}", text, x, f"q{n}") for x in ("de", "en") for n, text in enumerate(texts[:3])],
        [Candidate(f"{x}:c{n}", text, x) for x in ("de", "en") for n, text in enumerate(texts)],
        [Judgement(f"{x}:q{n}", f"{y}:c{n}") for x in ("de", "en") for y in ("de", "en") for n in range(3)],
    )
