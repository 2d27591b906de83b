"""Policies: ranks from counts alone equal those in lists that are really built."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.errors import BadResult, UnknownName
from panglot.remedies.policies import EXAMPLES, parse_policies, parse_policy
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from tests.helpers.scores import FixedScores

NAMES = ("de", "en", "th", "zh")
POLICIES = ("pool", "interleave", "own-first:1", "own-first:3", "without:en", "only-own", "two:en", "translate:en")


def _pool(rng: np.random.Generator, languages: Sequence[str]) -> Pool:
    """A few parallel questions, answered once or twice in each language, among other candidates of each."""
    questions = int(rng.integers(1, 4))
    answers = {x: rng.integers(1, 3, questions) for x in languages}
    candidates = [
        Candidate(f"{x}:{kind}{n}", "", x)
        for x in languages
        for kind, count in (("r", int(answers[x].sum())), ("d", int(rng.integers(0, 5))))
        for n in range(count)
    ]
    judgements = []
    for asked in languages:
        for offered in languages:
            owner = np.repeat(np.arange(questions), answers[offered])
            judgements += [Judgement(f"{asked}:q{q}", f"{offered}:r{n}") for n, q in enumerate(owner.tolist())]
    queries = [Query(f"{x}:q{n}", "", x, f"q{n}") for x in languages for n in range(questions)]
    return Pool.of(languages, queries, candidates, judgements)


def _listed(pool: Pool, scores: np.ndarray, query: int, languages: Sequence[int]) -> list[int]:
    """Candidates in some languages, best first; among equal scores the relevant ones come last."""
    relevant = set(pool.candidate[pool.query == query].tolist())
    offered = [c for c in range(len(pool.candidates)) if pool.candidates.language[c] in languages]
    return sorted(offered, key=lambda c: (-scores[query, c], c in relevant))


def _served(pool: Pool, scores: np.ndarray, query: int, policy: str) -> list[int]:
    """The list that a policy builds, candidate by candidate."""
    family, _, argument = policy.partition(":")
    everything = list(range(len(pool.languages)))
    own = int(pool.queries.language[query])
    if family == "interleave":
        lists = [_listed(pool, scores, query, [language]) for language in everything[own:] + everything[:own]]
        return [part[place] for place in range(len(pool.candidates)) for part in lists if len(part) > place]
    if family == "own-first":
        first = _listed(pool, scores, query, [own])[: int(argument)]
        return first + [c for c in _listed(pool, scores, query, everything) if c not in first]
    named = pool.languages.index(argument) if family in ("without", "two", "translate") else own
    if family == "translate":
        same = [q for q in range(len(pool.queries)) if pool.groups[q] == pool.groups[query]]
        query = next(q for q in same if pool.queries.language[q] == named)
    chosen = {
        "without": [language for language in everything if language != named],
        "only-own": [own],
        "two": [own, named],
    }
    return _listed(pool, scores, query, chosen.get(family, everything))


def _compare(seed: int, policy: str) -> None:
    rng = np.random.default_rng(seed)
    pool = _pool(rng, NAMES[: int(rng.integers(2, 5))])
    scores = rng.integers(0, 6, (len(pool.queries), len(pool.candidates))).astype(np.float32)  # many ties
    served = parse_policy(policy).serve(collect_evidence(pool, FixedScores(scores), depth=len(pool.candidates)))
    ranking = served.ranking
    for query in range(len(pool.queries)):
        listed = _served(pool, scores, query, policy)
        relevant = set(pool.candidate[pool.query == query].tolist())
        expected = [place for place, candidate in enumerate(listed, start=1) if candidate in relevant]
        assert ranking.rank[ranking.cell == query].tolist() == expected, (seed, policy, query)


@pytest.mark.parametrize("policy", POLICIES)
def test_ranks_equal_those_in_lists_that_are_built(policy: str) -> None:
    for seed in range(200):
        _compare(seed, policy)


@pytest.mark.parametrize("policy", [name for name in POLICIES if not name.startswith("translate")])
def test_own_share_equals_that_of_lists_that_are_built(policy: str) -> None:
    """Without ties, where no order of equals is left to chance."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        pool = _pool(rng, NAMES[: int(rng.integers(2, 5))])
        size = (len(pool.queries), len(pool.candidates))
        scores = rng.permuted(np.tile(np.arange(size[1], dtype=np.float32), (size[0], 1)), axis=1)
        evidence = collect_evidence(pool, FixedScores(scores), depth=size[1])
        found = parse_policy(policy).serve(evidence).own_share
        for query in range(size[0]):
            listed = pool.candidates.language[_served(pool, scores, query, policy)[:10]]
            assert found[query] == pytest.approx(np.mean(listed == pool.queries.language[query])), (seed, query)


@pytest.mark.parametrize("policy", ["without:en", "two:en", "own-first:3", "translate:en"])
def test_own_share_from_short_lists_is_that_of_long_ones_or_none(policy: str) -> None:
    """Lists of ten do not say what a smaller pool has in its first ten ranks; `own-first` needs no more than ten."""
    pool = Pool.of(
        NAMES,
        [Query(f"{x}:q{n}", "", x, f"q{n}") for x in NAMES for n in range(3)],
        [Candidate(f"{x}:c{n}", "", x) for x in NAMES for n in range(15)],
        [Judgement(f"{x}:q{n}", f"{y}:c{n}") for x in NAMES for y in NAMES for n in range(3)],
    )
    scores = FixedScores(np.random.default_rng(1).random((12, 60)))
    short, long = (parse_policy(policy).serve(collect_evidence(pool, scores, depth=d)).own_share for d in (10, 60))
    assert not np.isnan(long).any()
    if policy.startswith(("without", "two")):
        assert np.isnan(short).all()
    else:
        assert short == pytest.approx(long)


def test_policy_in_several_spellings_is_one_policy() -> None:
    names = ("own-first:3", "own-first:03", "without:en", "without:ENG", "two:en", "two:fr", "two:fra", "interleave")
    found = [policy.name for policy in parse_policies(names, NAMES)]
    assert found == ["own-first:3", "without:en", "two:en", "two:fr", "two:fra", "interleave"]  # there is no French


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_own_first_keeps_any_number_of_places(seed: int, places: int) -> None:
    _compare(seed, f"own-first:{places}")


@pytest.fixture
def evidence(fixed_scores: type[FixedScores]) -> Evidence:
    pool = _pool(np.random.default_rng(0), NAMES[:2])
    return collect_evidence(pool, fixed_scores(np.zeros((len(pool.queries), len(pool.candidates)))))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "pools",
        "pool:1",
        "own-first",
        "own-first:",
        "own-first:0",
        "own-first:x",
        "own-first:٣",
        "own-first:9999999999",
        "without",
    ],
)
def test_unknown_policy_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownName, match=r"^Unknown policy "):
        parse_policy(name)


def test_places_of_own_first_are_a_number_of_nine_digits() -> None:
    assert parse_policy("own-first:999999999").name == "own-first:999999999"
    with pytest.raises(UnknownName, match=r"K must be a positive integer of at most nine digits\.$"):
        parse_policy("own-first:9999999999")


def test_every_example_parses_with_an_argument() -> None:
    for example in EXAMPLES:
        assert parse_policy(example.replace("K", "3").replace("LANG", "en")).sentence


def test_unknown_language_is_refused(evidence: Evidence) -> None:
    for family in ("without", "two", "translate"):
        with pytest.raises(UnknownName, match="language 'fr'"):
            parse_policy(f"{family}:fr").serve(evidence)


def test_translate_keeps_queries_that_are_in_its_language(fixed_scores: type[FixedScores]) -> None:
    """Two English queries ask the same: each keeps its own list, and the German one gets that of the first."""
    queries = [Query("de:q", "", "de", "q"), Query("en:q1", "", "en", "q"), Query("en:q2", "", "en", "q")]
    candidates = [Candidate(f"{x}:{n}", "", x) for x in ("de", "en") for n in range(2)]
    judgements = [Judgement(query.id, "de:0") for query in queries]
    scores = np.array([[4, 3, 2, 1], [2, 4, 1, 3], [3, 1, 4, 2]], np.float32)
    evidence = collect_evidence(Pool.of(("de", "en"), queries, candidates, judgements), fixed_scores(scores))
    assert parse_policy("translate:en").serve(evidence).ranking.rank.tolist() == [3, 3, 2]


def test_translated_queries_list_what_the_translation_finds(fixed_scores: type[FixedScores]) -> None:
    """Two places a list: the English query finds German candidates, the German one English ones."""
    queries = [Query(f"{x}:q", "", x, "q") for x in ("de", "en")]
    candidates = [Candidate(f"{x}:{n}", "", x) for x in ("de", "en") for n in range(2)]
    judgements = [Judgement(query.id, "de:0") for query in queries]
    scores = fixed_scores(np.array([[1, 2, 3, 4], [4, 3, 2, 1]]))
    evidence = collect_evidence(Pool.of(("de", "en"), queries, candidates, judgements), scores, depth=2)
    assert parse_policy("pool").serve(evidence).own_share.tolist() == [0, 0]
    assert parse_policy("translate:en").serve(evidence).own_share.tolist() == [1, 0]


@pytest.mark.parametrize("english", [["en:0"], ["de:0", "en:0"], ["en:0", "en:1"]])
def test_translate_refuses_parallel_queries_with_other_answers(
    english: list[str], fixed_scores: type[FixedScores]
) -> None:
    queries = [Query(f"{x}:q", "", x, "q") for x in ("de", "en")]
    candidates = [Candidate(f"{x}:{n}", "", x) for x in ("de", "en") for n in range(2)]
    judgements = [Judgement("de:q", "de:0"), *(Judgement("en:q", answer) for answer in english)]
    evidence = collect_evidence(Pool.of(("de", "en"), queries, candidates, judgements), fixed_scores(np.ones((2, 4))))
    with pytest.raises(BadResult, match=r"^Parallel queries do not have the same relevant candidates\.$"):
        parse_policy("translate:en").serve(evidence)


def test_only_own_has_no_share_where_nothing_is_in_the_language(fixed_scores: type[FixedScores]) -> None:
    pool = Pool.of(
        ("de", "en", "th"),
        [Query(f"{x}:q", "", x, "q") for x in ("de", "th")],
        [Candidate("de:0", "", "de"), Candidate("en:0", "", "en")],
        [Judgement(f"{x}:q", "de:0") for x in ("de", "th")],
    )
    served = parse_policy("only-own").serve(collect_evidence(pool, fixed_scores(np.ones((2, 2)))))
    assert served.own_share == pytest.approx([1, np.nan], nan_ok=True)


def test_policy_describes_itself_with_its_argument() -> None:
    policy = parse_policy("two:en")
    assert policy.name == "two:en"
    assert policy.sentence.startswith("Only documents in the query's language or in en; ")
    assert parse_policy("own-first:3").sentence.startswith("The 3 best documents")
    assert policy.needs == "The language of every document and query."


def test_narrow_evidence_answers_only_policies_without_a_language(fixed_scores: type[FixedScores]) -> None:
    """33 languages, too many for counts of each; a perfect translation needs none."""
    names = tuple(f"l{number:02}" for number in range(33))
    pool = Pool.of(
        names,
        [Query(f"{x}:q", "", x, "q") for x in names],
        [Candidate(f"{x}:0", "", x) for x in names],
        [Judgement(f"{x}:q", "l00:0") for x in names],
    )
    evidence = collect_evidence(pool, fixed_scores(np.arange(33 * 33).reshape(33, 33) % 35))
    for family in ("without", "two"):
        with pytest.raises(BadResult, match=r"covers 33 languages and has no separate counts for 'l01'\.$"):
            parse_policy(f"{family}:l01").serve(evidence)
    ranks = parse_policy("pool").serve(evidence).ranking.rank
    assert parse_policy("translate:l01").serve(evidence).ranking.rank.tolist() == [ranks[1]] * 33


def test_policy_says_why_the_data_cannot_answer_it(evidence: Evidence) -> None:
    from dataclasses import replace

    with pytest.raises(BadResult, match="divided"):
        parse_policy("interleave").serve(replace(evidence, divided=True))
    with pytest.raises(BadResult, match="images"):
        parse_policy("interleave").serve(replace(evidence, languages=("de", "zxx")))
    with pytest.raises(BadResult, match="only one language"):
        parse_policy("interleave").serve(replace(evidence, sizes=np.array([3, 0])))
    apart = replace(evidence, group=np.arange(evidence.queries))
    with pytest.raises(BadResult, match=r"^\d of \d queries have no parallel query in en"):
        parse_policy("translate:en").serve(apart)


def test_policy_takes_a_language_in_another_spelling(evidence: Evidence) -> None:
    for family in ("without", "two", "translate"):
        one, other = (parse_policy(f"{family}:{code}").serve(evidence) for code in ("en", "ENG"))
        assert one.ranking.rank.tolist() == other.ranking.rank.tolist()
