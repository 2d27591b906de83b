"""Runs from elsewhere: trec_eval's values to the last bit, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import pytrec_eval
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from panglot.data import own
from panglot.data.corpus import Questions
from panglot.data.load import read_pool
from panglot.data.pool import Pool, Query
from panglot.data.readers.miracl import read_questions
from panglot.data.task import Task
from panglot.errors import BadData, BadResult
from panglot.evaluate.external_run import RunScores, order, score_run
from panglot.interop.trec import read_run, run_lines
from panglot.retrieve.ranking import collect_evidence
from panglot.retrieve.similarity import DenseScores
from tests.helpers.tasks import TASKS

MIRACL = TASKS["miracl"]

THEIRS = {
    "map": "map", "ndcg@10": "ndcg_cut_10", "recall@5": "recall_5", "recall@20": "recall_20",
    "recall@100": "recall_100", "mrr": "recip_rank", "success@1": "success_1", "success@10": "success_10",
}  # fmt: skip


def synthetic_run(questions: Questions, seed: int) -> dict[str, dict[str, float]]:
    """Real queries; relevants at known ranks among made-up passages, some beyond the list, scores with many ties."""
    random = np.random.default_rng(seed)
    run: dict[str, dict[str, float]] = {}
    answers: dict[str, list[str]] = {}
    for judgement in questions.judgements:
        answers.setdefault(judgement.query, []).append(judgement.candidate)
    for query in questions.queries:
        relevant = answers[query.id]
        listed = [f"{query.language}:none#{number}" for number in range(100)]
        for place, id_ in zip(random.choice(130, len(relevant), replace=False).tolist(), relevant, strict=True):
            if place < 100:
                listed[place] = id_
        levels = np.sort(random.integers(0, 60, 100))[::-1]
        run[query.id] = {id_: float(level) for id_, level in zip(listed, levels, strict=True)}
    return run


def write_run(path: Path, run: dict[str, dict[str, float]]) -> Path:
    lines = [f"{query} Q0 {id_} 0 {score!r} tag" for query, own in run.items() for id_, score in own.items()]
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.usefixtures("real_data")
@pytest.mark.parametrize("language", MIRACL.languages[:: 1 if os.environ.get("PANGLOT_EVERY") else 4])
def test_a_run_over_real_queries_earns_what_trec_eval_says(tmp_path: Path, language: str) -> None:
    questions = read_questions(MIRACL, [language])
    run = synthetic_run(questions, seed=len(language))
    judged: dict[str, dict[str, int]] = {}
    for judgement in questions.judgements:
        judged.setdefault(judgement.query, {})[judgement.candidate] = int(judgement.gain)
    measures = {"map", "ndcg_cut.10", "recall.5,20,100", "recip_rank", "success.1,10"}
    theirs = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(run)
    ours = score_run(MIRACL, read_run(write_run(tmp_path / "run.gz", run)), [language])
    for name, their_name in THEIRS.items():
        expected = np.mean([theirs[query.id][their_name] for query in questions.queries])
        assert ours.scores[name].value == pytest.approx(expected, abs=1e-14), name
    assert ours.truncated
    assert ours.longest_list == 100
    assert 0 < ours.relevant_not_listed < ours.relevant == len(questions.judgements)


@pytest.mark.usefixtures("real_data")
def test_known_ranks_give_known_values(tmp_path: Path) -> None:
    questions = read_questions(MIRACL, ["yo"])
    relevant = {judgement.query: judgement.candidate for judgement in reversed(questions.judgements)}
    run = {query: {"yo:x#1": 3.0, id_: 2.0} for query, id_ in relevant.items()}
    scores = score_run(MIRACL, read_run(write_run(tmp_path / "run", run)), ["yo"]).scores
    assert scores["mrr"] == (0.5, 0.5, 0.5)
    assert scores["success@1"].value == 0


@pytest.mark.usefixtures("real_data")
def test_ids_may_lack_the_language_where_there_is_one(tmp_path: Path) -> None:
    questions = read_questions(MIRACL, ["sw"])
    run = synthetic_run(questions, seed=1)
    bare = {
        query.removeprefix("sw:"): {id_.removeprefix("sw:"): score for id_, score in own.items()}
        for query, own in run.items()
    }
    whole = score_run(MIRACL, read_run(write_run(tmp_path / "a", run)), ["sw"])
    assert score_run(MIRACL, read_run(write_run(tmp_path / "b", bare)), ["sw"]) == whole


@pytest.mark.usefixtures("real_data")
def test_a_query_without_a_list_earns_nothing(tmp_path: Path) -> None:
    questions = read_questions(MIRACL, ["yo"])
    run = synthetic_run(questions, seed=2)
    whole = score_run(MIRACL, read_run(write_run(tmp_path / "a", run)), ["yo"])
    best = max(run, key=lambda query: max(run[query], key=lambda id_: "none" not in id_))
    del run[best]
    part = score_run(MIRACL, read_run(write_run(tmp_path / "b", run)), ["yo"])
    assert (whole.queries_without_list, part.queries_without_list) == (0, 1)
    assert part.queries == whole.queries
    assert part.scores["map"].value <= whole.scores["map"].value


def test_what_we_export_scores_as_we_scored_it(starter: Pool, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    vectors = [random.standard_normal((len(items), 16), np.float32) for items in (starter.queries, starter.candidates)]
    evidence = collect_evidence(starter, DenseScores(*vectors))
    (tmp_path / "run").write_text("".join(f"{line}\n" for line in run_lines(evidence, "tag")), encoding="utf-8")
    from panglot.score.summary import score_evidence

    own = score_evidence(evidence, "map", draws=2).settings["multi"]
    scores = score_run(TASKS["starter"], read_run(tmp_path / "run"))
    assert scores.setting == "multi"
    for name in ("ndcg@10", "recall@100", "success@1"):
        assert scores.scores[name].value == pytest.approx(own[name].value, abs=1e-12)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"# a comment\n\n", "is empty"),
        (b"1 Q0 a 1 2.0\n", r"line 1: expected six columns \(query Q0 candidate rank score tag\), found 5"),
        *(
            (f"\n1 Q0 a 1 {score} tag\n".encode(), rf"line 2 \('1', 'a'\): the score '{score}' is not a finite number")
            for score in ("high", "nan", "inf", "1e999", "1_0", "٣", "0x1")
        ),
        (b"1 Q0 a 1 2 t\n# x\n1 Q0 a 2 1 t\n", r"line 3 \('1', 'a'\): this candidate is already listed"),
        (b"\xff Q0 a 1 2 t\n", r"line 1: not UTF-8 \(byte 0xff"),
        (b"1 Q0 " + b"a" * 2000 + b" 1 2 t\n", "line 1: the line is longer than 1,000 bytes"),
        (b"\xff\xfe1\0", "is in UTF-16"),
    ],
)
def test_malformed_run_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "run").write_bytes(content)
    with pytest.raises(BadResult, match=said):
        read_run(tmp_path / "run")


def test_a_gzipped_run_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(f"q{n} Q0 a 1 2.0 tag\n".encode() for n in range(1000)))
    (tmp_path / "run.gz").write_bytes(data[:-30])
    with pytest.raises(BadResult, match="is damaged or truncated"):
        read_run(tmp_path / "run.gz")


def test_byte_order_mark_gzip_and_comments_change_nothing(tmp_path: Path) -> None:
    plain = b"1 Q0 a 1 2.5 t\n2\tQ0\tb\t1\t-1e3\tt\r\n"
    expected = {"1": {"a": 2.5}, "2": {"b": -1000.0}}
    marked = b"\xef\xbb\xbf# team = ours\n\n" + plain
    for content in (plain, marked, gzip.compress(marked)):
        (tmp_path / "run").write_bytes(content)
        assert read_run(tmp_path / "run") == expected


@pytest.mark.parametrize("packed", [False, True])
def test_run_may_come_through_a_pipe(packed: bool) -> None:
    content = b"1 Q0 a 1 2.5 t\n"
    reader, writer = os.pipe()
    os.write(writer, gzip.compress(content) if packed else content)
    os.close(writer)
    try:
        assert read_run(Path(f"/dev/fd/{reader}")) == {"1": {"a": 2.5}}
    finally:
        os.close(reader)


def test_only_white_space_of_ascii_divides_columns(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q\u00a0x Q0 a\u2028b 1 2 t\n", encoding="utf-8")
    assert read_run(tmp_path / "run") == {"q\u00a0x": {"a\u2028b": 2.0}}


@pytest.mark.usefixtures("real_data")
def test_a_run_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"nobody Q0 a 1 2.0 tag\n")
    with pytest.raises(BadResult, match=r"no queries of miracl \(yo\)"):
        score_run(MIRACL, read_run(tmp_path / "run"), ["yo"])


def own_task(folder: Path, sizes: dict[str, tuple[int, int]], random: np.random.Generator, prefix: str = "") -> Task:
    """Own data with graded judgements: queries and candidates of each language, relevants in any language."""
    folder.mkdir()
    queries, candidates, judged = [], [], []
    for language, (asked, offered) in sizes.items():
        queries += [(f"{prefix.format(language)}{language}q{n}", language) for n in range(asked)]
        candidates += [(f"{prefix.format(language)}{language}d{n}", language) for n in range(offered)]
    for query, _ in queries:
        for place in random.choice(len(candidates), random.integers(1, 4), replace=False).tolist():
            judged.append((query, candidates[place][0], int(random.integers(0, 4))))
        if not any(judge == query and grade for judge, _, grade in judged):
            judged.append((query, candidates[0][0], 1))
    for name, items in (("queries", queries), ("corpus", candidates)):
        lines = (json.dumps({"_id": id_, "text": "x", "language": language}) for id_, language in items)
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    unique = {(query, candidate): grade for query, candidate, grade in judged}
    lines = (f"{query}\t{candidate}\t{grade}\n" for (query, candidate), grade in unique.items())
    (folder / "qrels.tsv").write_text("".join(lines), encoding="utf-8")
    return own.own_task(str(folder))


def random_run(pool: Pool, random: np.random.Generator) -> dict[str, dict[str, float]]:
    """Lists of any length with many ties, most of them with relevants; some queries have none; some ids are unknown."""
    ids = [*pool.candidates.ids, "nobody", "nothing"]
    run = {}
    for query, id_ in enumerate(pool.queries.ids):
        listed = random.choice(len(ids), random.integers(0, min(len(ids), 150) + 1), replace=False).tolist()
        if listed:
            found = pool.candidate[pool.query == query][:: random.integers(1, 3)].tolist()
            run[id_] = {ids[place]: float(random.integers(0, 20)) / 7 for place in {*listed, *found}}
    return run or {pool.queries.ids[0]: {ids[0]: 1.0}}


def assert_equal_to_trec_eval(
    task: Task, pool: Pool, run: dict[str, dict[str, float]], path: Path, *rest: Any
) -> RunScores:
    """Each language, the mean of languages, and the mean of queries, which is `all` of trec_eval with -c."""
    judged: dict[str, dict[str, int]] = {id_: {} for id_ in pool.queries.ids}
    for query, candidate, gain in zip(pool.query.tolist(), pool.candidate.tolist(), pool.gain.tolist(), strict=True):
        judged[pool.queries.ids[query]][pool.candidates.ids[candidate]] = int(gain)
    measures = {"map", "ndcg_cut.10", "recall.5,20,100", "recip_rank", "success.1,10"}
    theirs = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(run)
    ours = score_run(task, read_run(write_run(path, run)), *rest)
    languages = [pool.languages[place] for place in pool.queries.language.tolist()]
    assert ours.languages == tuple(name for name in pool.languages if name in languages)
    for name, their_name in THEIRS.items():
        values = {id_: theirs[id_][their_name] if id_ in theirs else 0.0 for id_ in pool.queries.ids}
        means = []
        for language in ours.languages:
            own = [value for value, its in zip(values.values(), languages, strict=True) if its == language]
            means.append(np.mean(own))
            assert ours.by_language[language][name].value == pytest.approx(means[-1], abs=1e-12), (name, language)
        assert ours.scores[name].value == pytest.approx(np.mean(means), abs=1e-12), name
        assert ours.all_queries[name] == pytest.approx(np.mean([*values.values()]), abs=1e-12), name
    return ours


sizes = st.dictionaries(
    st.sampled_from(["de", "en", "th", "zh-Hans"]), st.tuples(st.integers(0, 4), st.integers(0, 8)), min_size=1
).filter(lambda sizes: any(q for q, _ in sizes.values()) and sum(c for _, c in sizes.values()) >= 3)


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(0, 1 << 32), st.sampled_from(["", "{}:", "x:"]), st.integers(0, 3))
def test_own_data_scores_as_trec_eval_says(
    sizes: dict[str, tuple[int, int]], seed: int, prefix: str, languages: int
) -> None:
    random = np.random.default_rng(seed)
    with TemporaryDirectory() as folder:
        task = own_task(Path(folder) / "mine", sizes, random, prefix)
        chosen = sorted(task.languages)[:languages]
        try:
            pool = read_pool(task, chosen)
        except BadData:
            assume(False)
        assert_equal_to_trec_eval(task, pool, random_run(pool, random), Path(folder) / "run", chosen)


@pytest.mark.usefixtures("real_data")
@pytest.mark.parametrize(
    ("direction", "languages"),
    [("t2i", []), ("t2i", ["de"]), ("i2t", ["de", "ar"]), ("mixed", ["de"]), ("mixed", ["fi", "ar"])],
)
def test_image_text_runs_score_as_trec_eval_says(tmp_path: Path, direction: str, languages: list[str]) -> None:
    task = TASKS[f"emoji-{direction}"]
    pool = read_pool(task, languages)
    some = pool.part(np.arange(0, len(pool.queries), 9), np.arange(len(pool.candidates)))
    ours = assert_equal_to_trec_eval(
        task, pool, random_run(some, np.random.default_rng(4)), tmp_path / "run", languages
    )
    assert ours.scores["ndcg@10"].value > 0.001
    assert (ours.listed_excluded > 0) == (direction == "mixed")


def test_excluded_candidate_in_a_list_is_counted(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        "".join(f'{{"_id": "{id_}", "text": "x", "language": "en"}}\n' for id_ in ("q", "a")), encoding="utf-8"
    )
    query = '{"_id": "q", "text": "x", "language": "en", "excluded": "q"}\n'
    (tmp_path / "queries.jsonl").write_text(query, encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("q\ta\t1\n", encoding="utf-8")
    scores = score_run(own.own_task(str(tmp_path)), {"q": {"q": 2.0, "a": 1.0}})
    assert (scores.listed_excluded, scores.listed_outside) == (1, 0)
    assert scores.scores["mrr"].value == 0.5


@pytest.mark.usefixtures("real_data")
def test_an_id_with_the_language_and_without_is_refused() -> None:
    questions = read_questions(MIRACL, ["sw"])
    query = questions.queries[0].id
    lists = {query: {"sw:1#0": 2.0, "1#0": 1.0}}
    with pytest.raises(BadResult, match="both '1#0' and 'sw:1#0'"):
        score_run(MIRACL, lists, ["sw"])


@pytest.mark.usefixtures("real_data")
def test_query_without_a_relevant_candidate_is_left_out() -> None:
    questions = read_questions(MIRACL, ["yo"])
    more = questions._replace(queries=[*questions.queries, Query("yo:none", "", "yo", "yo:none")])
    task = replace(MIRACL, questions=lambda *_: more)
    lists = {questions.queries[0].id: {"yo:1#0": 1.0}, "yo:none": {"yo:1#0": 1.0}}
    assert score_run(task, lists, ["yo"]) == score_run(MIRACL, lists, ["yo"])


def test_scores_beyond_32_bits_are_ordered_by_id() -> None:
    assert order({"a": 1e300, "b": 1e301, "c": 2.0}) == ["b", "a", "c"]
