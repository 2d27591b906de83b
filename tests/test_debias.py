"""Taking languages out of vectors: by hand, as properties, and never fitted on what is measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL.Image import Image as Picture
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.data.pool import Candidate, Items, Judgement, Pool, Query
from panglot.data.readers.captions import mixed
from panglot.encode.card import ModelCard
from panglot.encode.kinds.fusion import FusedModel
from panglot.encode.load import load_model
from panglot.encode.pairs import score_pairs
from panglot.encode.scoring import score_pool
from panglot.errors import BadData, BadEncoder, BadResult, PanglotError, UnknownName
from panglot.remedies.debias import Fit, apply_in_folds, parse_method, two_folds
from panglot.remedies.debiased import Debias
from panglot.remedies.detect import detect_languages
from panglot.remedies.fit_texts import FitTexts
from panglot.results.result_record import read_result_record
from panglot.retrieve.ranking import collect_evidence
from panglot.score.summary import score_evidence
from panglot.trust.reload import choose
from panglot.trust.verify import verify
from tests.helpers.images import Numbers, image_text

LANGUAGES = ("de", "en", "th")
METHODS = ("centre", "project:1", "project:2", "lir:1", "shift:en")


def _vectors(seed: int, items: int = 60, dim: int = 8, bias: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [items, dim] of what is meant plus what is of the language, and their languages."""
    rng = np.random.default_rng(seed)
    language = np.arange(items) % len(LANGUAGES)
    marks = bias * rng.standard_normal((len(LANGUAGES), dim))
    vectors = rng.standard_normal((items, dim)) + marks[language]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), language


def test_centre_equals_hand_computed_vectors() -> None:
    """Means (2, 1) and (0, 3): what is left is (−1, 0), (1, 0) and (0, −1), (0, 1)."""
    vectors = np.array([[1, 1], [3, 1], [0, 2], [0, 4]], np.float32)
    language = np.array([0, 0, 1, 1])
    method = parse_method("centre")
    fit = method.fit(vectors, language, ("de", "en"))
    assert method.apply(fit, vectors, language, True).tolist() == [[-1, 0], [1, 0], [0, -1], [0, 1]]
    shifted = parse_method("shift:en").apply(fit, vectors, language, False)
    assert shifted.tolist() == [[-1, 3], [1, 3], [0, 2], [0, 4]]


def test_project_equals_hand_computed_vectors() -> None:
    """The means (2, 1) and (0, 1) differ along the first axis, so only the second is left."""
    vectors = np.array([[1, 1], [3, 1], [0, 2], [0, -4]], np.float32)
    language = np.array([0, 0, 1, 1])
    method = parse_method("project:1")
    fit = method.fit(vectors, language, ("de", "en"))._replace(mean=np.array([[2.0, 1.0], [0.0, 1.0]]))
    assert method.apply(fit, vectors, language, True) == pytest.approx(np.array([[0, 1], [0, 1], [0, 1], [0, -1]]))


@given(st.integers(0, 2**32 - 1), st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_what_is_left_has_unit_length_and_no_language(seed: int, name: str) -> None:
    vectors, language = _vectors(seed)
    method = parse_method(name)
    fit = method.fit(vectors, language, LANGUAGES)
    left = method.apply(fit, vectors, language, True)
    assert left.dtype == np.float32
    assert np.linalg.norm(left, axis=1) == pytest.approx(1, abs=1e-5)
    raw = method.apply(fit, vectors, language, False)
    means = np.array([raw[language == place].mean(axis=0) for place in range(3)])
    if name in ("centre", "shift:en", "project:2"):
        assert means - means[0] == pytest.approx(0, abs=1e-5)
    if name.startswith("lir"):
        for place in range(3):
            component = np.linalg.svd(vectors[language == place])[2][0]
            assert raw[language == place] @ component == pytest.approx(0, abs=1e-4)


def test_directions_between_languages_are_orthonormal_and_as_many_as_there_are() -> None:
    vectors, language = _vectors(1)
    fit = parse_method("project:2").fit(vectors, language, LANGUAGES)
    directions = parse_method("project:2").learn(fit)[0]
    assert directions @ directions.T == pytest.approx(np.eye(2), abs=1e-12)
    with pytest.raises(BadEncoder, match=r"the 3 languages it learns from differ in only 2\. Use project:2"):
        parse_method("project:3").learn(fit)


def test_directions_that_only_rounding_tells_apart_are_refused() -> None:
    """Three languages on one line differ in one direction; the second would be arbitrary."""
    vectors = np.array([[1, 0, 1], [1, 0.1, 1], [1, 0.2, 1]], np.float32)
    fit = parse_method("project:1").fit(vectors, np.arange(3), LANGUAGES)
    assert abs(parse_method("project:1").learn(fit)[0]) == pytest.approx(np.array([[0, 1, 0]]), abs=1e-6)
    with pytest.raises(BadEncoder, match="the 3 languages it learns from differ in only 1"):
        parse_method("project:2").learn(fit)
    with pytest.raises(BadEncoder, match="the 3 languages it learns from are the same"):
        parse_method("project:1").learn(fit._replace(mean=np.ones((3, 3))))
    with pytest.raises(BadEncoder, match="at least two languages"):
        parse_method("project:1").learn(fit._replace(texts=np.array([4, 0, 0])))


def test_components_that_the_texts_do_not_have_are_refused() -> None:
    """Two texts span a plane; a third component would be arbitrary."""
    vectors = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], np.float32)
    fit = parse_method("lir:2").fit(vectors, np.array([0, 0, 1, 1, 1]), LANGUAGES)
    learned = parse_method("lir:2").learn(fit)[0]
    assert learned.T @ learned == pytest.approx(np.diag([1, 1, 0, 0]))
    with pytest.raises(BadEncoder, match="the texts in de have fewer than 3 components"):
        parse_method("lir:3").learn(fit)
    small = parse_method("lir:2").fit(np.array([[1, 0, 0], [1, 1e-3, 0]], np.float32), np.array([0, 0]), LANGUAGES)
    assert abs(parse_method("lir:2").learn(small)[0]) == pytest.approx(np.array([[0, 1, 0], [1, 0, 0]]), abs=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_no_query_is_part_of_what_is_taken_from_it(name: str) -> None:
    """Moving one query moves nothing in its own half of the clusters but itself."""
    vectors, language = _vectors(2)
    cluster = np.arange(60) // 5
    fold = two_folds(cluster)
    moved = vectors.copy()
    moved[6] = np.roll(moved[6], 3)
    method = parse_method(name)
    before, after = (apply_in_folds(method, v, language, cluster, LANGUAGES, True) for v in (vectors, moved))
    changed = (before != after).any(axis=1)
    assert changed[6]
    assert not changed[(fold == fold[6]) & (np.arange(60) != 6)].any()
    assert changed[(fold != fold[6]) & (language == language[6])].any()
    fit = method.fit(vectors[fold != fold[6]], language[fold != fold[6]], LANGUAGES)
    assert before[6] == pytest.approx(method.apply(fit, vectors[6:7], language[6:7], True)[0], abs=1e-6)


def test_languages_whose_texts_have_too_few_components_are_named() -> None:
    """One text has one component, however many the other languages have."""
    method, languages = parse_method("lir:2"), ["de", "en", "es", "fr", "it", "ja", "ko"]
    vectors = np.random.default_rng(1).standard_normal((2 * len(languages) - 1, 4)).astype(np.float32)
    both = np.repeat(np.arange(len(languages)), 2)
    with pytest.raises(BadEncoder, match="lir:2: the texts in ko have fewer than 2 components"):
        method.learn(method.fit(vectors, both[:-1], languages))
    with pytest.raises(BadEncoder, match="the texts in de, en, es, fr, it have"):
        method.learn(method.fit(vectors[:7], np.arange(7), languages))


def test_a_vector_is_gone_by_its_own_length_not_by_that_of_others() -> None:
    vectors = np.array([[1e6, 0, 0], [0, 1e6, 0], [0, 1e-5, 1e-5], [1e-5, 0, 1e-5]], np.float32)
    method, language = parse_method("project:1"), np.array([0, 1, 0, 1])
    left = method.apply(method.fit(vectors, language, ["de", "en"]), vectors, language, unit=False)
    assert (np.linalg.norm(left[2:], axis=1) > 1e-6).all()
    folded = apply_in_folds(
        method, np.tile(vectors, (2, 1)), np.tile(language, 2), np.repeat([0, 1], 4), ["de", "en"], False
    )
    np.testing.assert_array_equal(folded, np.tile(left, (2, 1)))
    assert left.dtype == folded.dtype == np.float32


def test_folds_never_divide_a_cluster() -> None:
    fold = two_folds(np.array([5, 5, 9, 9, 2, 11]))
    assert fold.tolist() == [1, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("name", METHODS)
def test_queries_of_one_cluster_have_no_other_half(name: str) -> None:
    vectors, language = _vectors(4)
    with pytest.raises(BadEncoder, match="these queries form one cluster"):
        apply_in_folds(parse_method(name), vectors, language, np.zeros(60, int), LANGUAGES, True)


def test_language_without_texts_in_the_fit_is_refused() -> None:
    vectors, language = _vectors(3)
    known = language != 2
    for name in METHODS[:1] + METHODS[3:]:
        method = parse_method(name)
        fit = method.fit(vectors[known], language[known], LANGUAGES)
        with pytest.raises(BadEncoder, match="cannot learn th: the fit has no texts"):
            method.apply(fit, vectors, language, True)


def test_nothing_left_is_refused_not_measured() -> None:
    vectors, language = np.array([[1, 0], [0, 1]], np.float32), np.array([0, 1])
    method = parse_method("centre")
    with pytest.raises(BadEncoder, match="reduces 2 vectors to zero"):
        method.apply(method.fit(vectors, language, ("de", "en")), vectors, language, True)


@pytest.mark.parametrize(
    "name", ["", "center", "centre:1", "project", "project:0", "lir:x", "shift", "shift:", "lir:٣"]
)
def test_unknown_method_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownName, match="Unknown debiasing method"):
        parse_method(name)


def test_method_describes_itself_with_its_argument() -> None:
    described = {name: parse_method(name) for name in ("centre", "shift:deu", "project:03", "lir:2")}
    assert [method.name for method in described.values()] == ["centre", "shift:de", "project:3", "lir:2"]
    assert [method.sentence for method in described.values()] == [
        "Subtracts from each vector the mean of its language.",
        "Moves each language's vectors so that their mean is that of de.",
        "Removes the 3 leading directions between the means of the languages.",
        "Removes the 2 leading components of the text's own language.",
    ]
    assert [method.knows_language for method in described.values()] == [True, True, False, True]
    assert [method.needs_moment for method in described.values()] == [False, False, False, True]
    assert all(method.needs.endswith("documents must be reindexed.") for method in described.values())
    assert parse_method("project:999999999").name == "project:999999999"
    with pytest.raises(UnknownName, match=r"R is a positive integer of at most nine digits\.$"):
        parse_method("project:9999999999")


def test_methods_that_cannot_learn_from_the_fit_say_why() -> None:
    vectors, language = np.array([[1, 0], [0, 1], [3, 2], [1, 2]], np.float32), np.array([0, 0, 1, 2])
    one, three = (
        parse_method("lir:1").fit(vectors[:texts], language[:texts], LANGUAGES) for texts in (2, len(vectors))
    )
    with pytest.raises(BadEncoder, match=r"^shift:th cannot be fitted: there are no texts in th\.$"):
        parse_method("shift:th").learn(one)
    with pytest.raises(UnknownName, match="language 'fr'"):
        parse_method("shift:fr").learn(one)
    with pytest.raises(BadEncoder, match="cannot learn en, th: the fit has no texts in those languages"):
        parse_method("centre").apply(one, vectors, language, True)
    with pytest.raises(BadEncoder, match="cannot learn en: the fit has no texts in that language"):
        parse_method("centre").apply(one, vectors[:3], language[:3], True)
    # A plane has one direction less than would leave nothing.
    with pytest.raises(BadEncoder, match="the 3 languages it learns from differ in only 1"):
        parse_method("project:2").learn(three)
    with pytest.raises(BadEncoder, match="lir:2 would remove all of the vectors' 2 dimensions"):
        parse_method("lir:2").learn(three)


@pytest.mark.parametrize(
    ("target", "languages", "meant"),
    [
        ("pt-BR", ("pt-BR", "pt-PT"), "pt-BR"),
        ("por_Latn-PT", ("pt-BR", "pt-PT"), "pt-PT"),
        ("pt", ("pt-BR", "es"), "pt-BR"),
        ("zh", ("zh-Hant", "zh-Hans"), "zh-Hans"),
    ],
)
def test_shift_finds_a_language_by_script_and_region(target: str, languages: tuple[str, ...], meant: str) -> None:
    vectors, language = np.array([[1, 0], [0, 1]], np.float32), np.array([0, 1])
    method = parse_method(f"shift:{target}")
    offset = method.learn(method.fit(vectors, language, languages))
    assert offset[languages.index(meant)] == pytest.approx(0)


def test_file_keeps_regions_of_a_language_apart(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    languages = ("pt-BR", "pt-PT", "pt_br", "DE", "deu_Latn")
    rows = [{"text": f"{language} {n}", "language": language} for language in languages for n in range(2)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    texts = FitTexts.read(path)
    assert texts.counts == {"pt-BR": 4, "pt-PT": 2, "DE": 4}
    assert texts.spelled_as(("de", "pt-BR", "pt-PT")).counts == {"pt-BR": 4, "pt-PT": 2, "de": 4}


def test_leading_component_equals_hand_computed_vectors() -> None:
    """Texts at (3, 0), (−3, 0) and (0, 1) lie along the first axis, those of the other language along the second."""
    vectors = np.array([[3, 0], [-3, 0], [0, 1], [0, 2], [1, 0]], np.float32)
    language = np.array([0, 0, 0, 1, 1])
    method = parse_method("lir:1")
    fit = method.fit(vectors, language, ("de", "en"))
    assert fit.moment == pytest.approx(np.array([[[6, 0], [0, 1 / 3]], [[0.5, 0], [0, 2]]]))
    asked = np.array([[2, 5], [2, 5]], np.float32)
    assert method.apply(fit, asked, np.array([0, 1]), False) == pytest.approx(np.array([[0, 5], [2, 0]]))


class _Marked:
    """An encoder whose vectors carry a mark of the language beside what is meant."""

    card = ModelCard(name="marked", revision="1", library="tests", dimension=6)

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        rows = []
        for text in texts:
            language, _, meant = text.partition(":")
            mark = 3 * np.eye(3)[LANGUAGES.index(language)] + (0.5 if role == "query" else 0)
            rows.append([*mark, *np.random.default_rng(sum(map(ord, meant))).standard_normal(3)])
        return np.array(rows)


def _parallel_pool() -> Pool:
    numbers = range(24)
    return Pool.of(
        LANGUAGES,
        [Query(f"{x}:q{n}", f"{x}:{n}", x, f"q{n}", cluster=f"a{n // 4}") for x in LANGUAGES for n in numbers],
        [Candidate(f"{x}:c{n}", f"{x}:{n}", x) for x in LANGUAGES for n in numbers],
        [Judgement(f"{x}:q{n}", f"{y}:c{n}") for x in LANGUAGES for y in LANGUAGES for n in numbers],
    )


@pytest.mark.parametrize("method", ["centre", "project:2", "shift:en"])
@pytest.mark.parametrize("fit", ["corpus", "file"])
def test_debiased_pool_ranks_by_what_is_meant(method: str, fit: str, tmp_path: Path) -> None:
    if fit == "file":
        fit = str(tmp_path / "texts.jsonl")
        rows = [{"text": f"{x}:text {n}", "language": x} for x in LANGUAGES for n in range(40)]
        Path(fit).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    pool, model, debias = _parallel_pool(), _Marked(), Debias.parse(method, fit)
    scored = score_pool(model, pool)
    changed = debias.score_pool(model, pool)
    before, after = (
        score_evidence(collect_evidence(pool, found.scores), "map", ["map"], draws=2) for found in (scored, changed)
    )
    assert after.settings["multi"]["map"].value > before.settings["multi"]["map"].value + 0.1
    assert after.bias["rank_distance"].value < before.bias["rank_distance"].value / 3
    card = debias.card(model.card)
    assert card.settings[0] == f"debias={method}"
    assert card.settings[1].startswith("debias_fit=")


def test_models_without_vectors_are_refused() -> None:
    pool = _parallel_pool()
    model = load_model("bm25")
    with pytest.raises(BadEncoder, match="does not produce vectors"):
        Debias.parse("centre").score_pool(model, pool)


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "[]",
        "x",
        '{"text": "a"}',
        '{"text": 1, "language": "en"}',
        '{"text": " ", "language": "en"}',
        '{"text": "a", "language": ""}',
        '{"text": "a", "language": "zxx"}',
        '{"text": "a", "language": "de\\n"}',
        '{"text": "\\ud800", "language": "en"}',
        pytest.param("[" * 100_000, id="nested too deeply"),
    ],
)
def test_file_of_another_form_is_refused_by_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(f'{{"text": "a", "language": "en"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(BadData, match=r"texts\.jsonl, line 2: "):
        Debias.parse("centre", str(path))


@pytest.mark.parametrize("option", [["--debias-fit", "texts.jsonl"], ["--debias-language", "detect"]])
def test_debias_options_without_a_method_are_refused(option: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", "random", "--tasks", "starter", "--out", str(tmp_path), *option])
    assert isinstance(done.exception, PanglotError)
    assert "need --debias METHOD" in str(done.exception)


def test_shift_takes_a_language_in_another_spelling() -> None:
    fit = Fit(("zh-Hans", "en"), np.array([1, 1]), np.array([[1.0, 0], [0, 1]]))
    assert parse_method("shift:zh").learn(fit) == pytest.approx(parse_method("shift:zh-Hans").learn(fit))


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("shift:ENG", "shift:en"),
        ("shift:eng_Latn", "shift:en"),
        ("shift:zh-Hans", "shift:zh"),
        ("shift:zho_Hant", "shift:zh-Hant"),
        ("shift:ben_Latn", "shift:bn-Latn"),
        ("shift:iw", "shift:he"),
        ("shift:My_dialect", "shift:My_dialect"),
        ("project:010", "project:10"),
        ("lir:1", "lir:1"),
    ],
)
def test_method_has_one_spelling_in_a_configuration(name: str, spelled: str) -> None:
    card = Debias.parse(name).card(_Marked.card)
    assert card.settings == Debias.parse(spelled).card(_Marked.card).settings
    assert card.settings[0] == f"debias={spelled}"


def test_shift_to_a_language_in_two_scripts_takes_the_usual_one() -> None:
    fit = Fit(("zh-Hant", "zh-Hans"), np.array([1, 1]), np.array([[1.0, 0], [0, 1]]))
    for name, moved in (("zh", [[1, -1], [0, 0]]), ("zho_Hans", [[1, -1], [0, 0]]), ("zh-Hant", [[0, 0], [-1, 1]])):
        assert parse_method(f"shift:{name}").learn(fit).tolist() == moved


def test_two_spellings_of_a_language_in_a_file_are_one(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    lines = (json.dumps({"text": "a", "language": code}) for code in ("de", "DE", "deu", "en_US", "zz-odd"))
    path.write_text("\n".join(lines), encoding="utf-8")
    assert FitTexts.read(path).counts == {"de": 3, "en_US": 1, "zz-odd": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "language": "de", "language": "en"}', "Duplicate field 'language'"),
        ('{"text": "a", "language": "\\u001b[31m"}', r"contains the character U\+001B"),
        ('{"text": "a", "language": "a\\u202eb"}', "is not the language of a text"),
        (f'{{"text": "a", "language": "{"x" * 501}"}}', "is longer than 500 characters"),
        ('{"text": "a"}', "the field 'language' is missing"),
        ('{"text": " ", "language": "de"}', "the text is blank"),
        (
            "\n".join(f'{{"text": "a", "language": "l{n}"}}' for n in range(1001)),
            "has 1,001 languages, more than 1,000",
        ),
    ],
)
def test_odd_line_of_a_file_of_texts_is_refused(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(BadData, match=message) as caught:
        FitTexts.read(path)
    assert str(caught.value).startswith(str(path))


def test_file_without_texts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(BadData, match=r"texts\.jsonl is empty"):
        Debias.parse("centre", str(path))


def test_run_writes_another_configuration_of_the_model(tmp_path: Path) -> None:
    command = ["run", "use-multilingual", "--tasks", "starter", "--languages", "de,en", "--debias", "centre"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path), "--no-cache"])
    assert done.exit_code == 0, done.output
    (path,) = tmp_path.glob("*/*.json")
    assert path.parent.name == "use-multilingual@0.2.1+debias-centre+debias_fit-corpus"
    assert read_result_record(path).model.settings == ("debias=centre", "debias_fit=corpus")
    assert verify(path).level == "recomputed"


def test_detected_languages_replace_those_of_the_data(starter: Pool) -> None:
    """Without looking at the language of a query; those that the detector gets wrong keep what it says."""
    part = starter.only(("de", "en", "th"))
    found = detect_languages(part.queries, part.languages)
    assert (found == part.queries.language).mean() > 0.95
    mislabelled = replace(part.queries, language=np.zeros_like(part.queries.language))
    assert detect_languages(mislabelled, part.languages).tolist() == found.tolist()


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        (("en", "xx"), "does not support the language 'xx'"),
        (("zh-Hans", "zh-Hant"), "cannot distinguish 'zh-Hans' from 'zh-Hant'"),
    ],
)
def test_languages_that_cannot_be_detected_are_refused(languages: tuple[str, ...], message: str) -> None:
    items = Items(("a",), ("a text",), np.array([0]))
    with pytest.raises(BadData, match=message):
        detect_languages(items, languages)


def test_card_names_the_detector() -> None:
    card = Debias.parse("centre", detect=True).card(_Marked.card)
    assert card.settings[:2] == ("debias=centre", "debias_fit=corpus")
    assert card.settings[2].startswith("debias_language=py3langid ")


def test_rerun_of_a_sample_is_refused_with_the_reason() -> None:
    card = Debias.parse("centre").card(load_model("use-multilingual").card)
    with pytest.raises(BadResult, match="was scored from debiased vectors"):
        choose(card)


def test_method_that_needs_no_language_refuses_a_detector() -> None:
    with pytest.raises(PanglotError, match="project:2 does not use query languages"):
        Debias.parse("project:2", detect=True)


def test_languages_of_the_file_are_spelled_as_those_of_the_pool() -> None:
    texts = FitTexts("f", (("zh", "a"), ("eng", "b"), ("fr", "c")))
    assert texts.spelled_as(("zh-Hans", "en")).counts == {"zh-Hans": 1, "en": 1, "fr": 1}
    assert texts.spelled_as(("zh-Hans", "zh-Hant")).counts == {"zh": 1, "eng": 1, "fr": 1}


def test_query_among_the_texts_is_refused() -> None:
    pool = _parallel_pool()
    texts = FitTexts("f.jsonl", (("de", "another text"), ("en", f" {pool.queries.texts[3]}\n")))
    with pytest.raises(BadData, match=r"f\.jsonl: 1 of 2 texts are queries of the task, such as "):
        Debias(parse_method("centre"), texts).score_pool(_Marked(), pool)


def test_of_a_fusion_the_members_with_vectors_change() -> None:
    pool = _parallel_pool()
    fusion = FusedModel([load_model("bm25"), _Marked()])
    debias = Debias.parse("centre")
    parts = [score_pool(fusion.members[0], pool).scores, debias.score_pool(_Marked(), pool).scores]
    expected = fusion.fuse(parts, pool, score_pairs).block(0, 72)
    assert debias.score_pool(fusion, pool).scores.block(0, 72) == pytest.approx(expected)


class _Apart(Numbers):
    """Puts all images to one side of all captions: a modality gap."""

    def encode_images(self, images: Sequence[Picture]) -> np.ndarray:
        return super().encode_images(images) + 3.0


def test_centre_closes_the_gap_between_images_and_captions() -> None:
    pool, model = mixed(image_text(40, ("de", "en"))), _Apart(noise=0.3)
    before, after = (
        score_evidence(collect_evidence(pool, found.scores), "map", ["map"], draws=2)
        for found in (score_pool(model, pool), Debias.parse("centre").score_pool(model, pool))
    )
    gaps = [found.bias["modality_gap"].value for found in (before, after)]
    assert abs(gaps[1]) < gaps[0] / 4
    assert after.settings["multi"]["map"].value > before.settings["multi"]["map"].value + 0.1


def test_method_fitted_on_texts_says_that_it_cannot_learn_images(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text(
        "".join(f'{{"text": "{n}", "language": "{x}"}}\n' for x in ("de", "en") for n in range(9)), "utf-8"
    )
    with pytest.raises(BadEncoder, match=r"centre cannot learn images from texts\. Fit it on the corpus"):
        Debias.parse("centre", str(texts)).score_pool(_Apart(noise=0.3), mixed(image_text(8, ("de", "en"))))
