"""Language codes: every spelling of one language gives the same words, names and scores."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panglot.data.catalogue import all_tasks
from panglot.data.image import IMAGES
from panglot.data.pool import Pool
from panglot.data.task import Task
from panglot.encode.kinds.bm25 import analyser
from panglot.encode.load import load_model
from panglot.encode.tokenization import reading_by_language
from panglot.errors import UnknownName
from panglot.languages import (
    alpha3_with_script,
    canonical,
    find_split_languages,
    is_unspaced,
    language_label,
    match_language,
    parse_language,
)
from panglot.progress import silent
from tests.helpers.command import panglot
from tests.helpers.tasks import TASKS

CODES = sorted({language for task in all_tasks() for language in task.languages} - {IMAGES})

MACROLANGUAGES = {
    "arb_Arab": "ar", "azj_Latn": "az", "cmn": "zh", "ekk": "et", "est_Latn": "et", "als_Latn": "sq", "gaz_Latn": "om",
    "khk_Cyrl": "mn", "lvs_Latn": "lv", "nob_Latn": "no", "nb": "no", "npi_Deva": "ne", "ory_Orya": "or",
    "pbt_Arab": "ps", "pes_Arab": "fa", "plt_Latn": "mg", "swh_Latn": "sw", "tgl_Latn": "fil", "uzn_Latn": "uz",
    "zsm_Latn": "ms",
}  # fmt: skip

BELEBELE_OF_STARTER = {
    "ar": "arb_Arab", "de": "deu_Latn", "el": "ell_Grek", "en": "eng_Latn", "es": "spa_Latn", "hi": "hin_Deva",
    "ru": "rus_Cyrl", "th": "tha_Thai", "tr": "tur_Latn", "vi": "vie_Latn", "zh": "zho_Hans",
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_a_task_is_a_known_language(code: str) -> None:
    language = parse_language(code)
    assert language is not None
    assert language.script
    assert language_label(code).endswith(f" ({code})")


@pytest.mark.parametrize(
    ("codes", "one"),
    [
        ("th tha tha_Thai TH th-TH tha-thai", "th-Thai"),
        ("zh zho zh-Hans zh_CN cmn chi zho_Hans", "zh-Hans"),
        ("zh-TW zh-Hant zho_Hant zh-HK", "zh-Hant"),
        ("en EN eng eng_Latn en-US en_GB", "en-Latn"),
        ("ko kor kor_Hang ko-Kore ko-KR", "ko-Kore"),
        ("he iw heb_Hebr", "he-Hebr"),
        ("ckb ckb_Arab", "ckb-Arab"),
        ("bn_Latn ben_Latn", "bn-Latn"),
    ],
)
def test_spellings_of_one_language_are_one(codes: str, one: str) -> None:
    assert {canonical(code) for code in codes.split()} == {one}


@pytest.mark.parametrize(("variety", "code"), MACROLANGUAGES.items())
def test_a_standard_variety_is_its_macrolanguage(variety: str, code: str) -> None:
    assert canonical(variety) == canonical(code)
    assert analyser(variety)("Книгами houses الكتاب पुस्तकें") == analyser(code)("Книгами houses الكتاب पुस्तकें")


@pytest.mark.parametrize(("one", "other"), [("arz", "ar"), ("acm_Arab", "arb_Arab"), ("yue", "zh-Hant"), ("id", "ms")])
def test_other_varieties_are_languages_of_their_own(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "code", ["", " ", "en\n", "klingon", "xx", "x-own", "qaa", "tha_Tai", "dialect 1", "\ud800", "en-" * 99, "1"]
)
def test_an_unknown_code_is_kept_as_its_own_name(code: str) -> None:
    assert parse_language(code) is None
    assert canonical(code) == language_label(code) == code
    assert not is_unspaced(code)
    assert analyser(code)("The bees danced") == ["the", "bees", "danced"]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=12) | st.from_regex(r"\A[A-Za-z]{1,4}([-_][A-Za-z0-9]{1,8}){0,3}\Z"))
def test_any_text_is_accepted_as_a_code(code: str) -> None:
    assert canonical(canonical(code)) == canonical(code)
    assert alpha3_with_script(code)
    assert language_label(code).endswith((code, f"({code})"))


@pytest.mark.parametrize(
    "code",
    ["zh", "zho_Hant", "yue", "ja", "jpn_Jpan", "th", "km_Khmr", "lao_Laoo", "mya_Mymr", "shn_Mymr", "bod_Tibt", "dz"],
)
def test_scripts_without_spaces_are_cut(code: str) -> None:
    assert analyser(code)("abc") == ["ab", "bc"]


@pytest.mark.parametrize("code", ["tha_Latn", "jpn_Latn", "zh-Latn", "ko", "kor_Hang", "vi", "en", "ben_Latn"])
def test_romanised_and_spaced_scripts_are_not_cut(code: str) -> None:
    assert analyser(code)("abc") == ["abc"]


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        ("eng_Latn", "bees danced", ["bee", "danc"]),
        ("EN-us", "bees danced", ["bee", "danc"]),
        ("nb", "husene", ["hus"]),
        ("nn", "husene", ["hus"]),
        ("srp_Cyrl", "књигама", ["knjig"]),
        ("sr-Latn", "knjigama", ["knjig"]),
        ("arz_Arab", "الكتاب", ["كتاب"]),
        ("hin_Latn", "kitaaben", ["kitaaben"]),
        ("tur_Latn", "evlerde", ["ev"]),
        ("tr-Arab", "evlerde", ["evlerde"]),
    ],
)
def test_stemmers_follow_language_and_script(code: str, text: str, words: list[str]) -> None:
    assert analyser(code)(text) == words


def test_bm25_on_belebele_codes_equals_bm25_on_two_letters(starter: Pool) -> None:
    twin = replace(starter, languages=tuple(BELEBELE_OF_STARTER[language] for language in starter.languages))
    model = load_model("bm25")
    ours, theirs = (model.scores(pool, silent).block(0, len(pool.queries)) for pool in (starter, twin))
    assert np.array_equal(ours, theirs)
    assert ours.any()


def test_tokens_per_word_do_not_depend_on_the_spelling(starter: Pool) -> None:
    twin = replace(starter, languages=tuple(BELEBELE_OF_STARTER[language] for language in starter.languages))
    length = len(starter.candidates)
    tokens = np.full(length, 7, np.int32)
    ours, theirs = (reading_by_language(tokens, pool.candidates, pool.languages, 512) for pool in (starter, twin))
    assert {BELEBELE_OF_STARTER[language]: facts for language, facts in ours.items()} == theirs
    assert theirs["tha_Thai"]["tokens_per_word"] < theirs["eng_Latn"]["tokens_per_word"]


class TestNames:
    @pytest.mark.parametrize(
        ("code", "label"),
        [
            ("el", "Greek (el)"),
            ("tha_Thai", "Thai (tha_Thai)"),
            ("ben_Latn", "Bengali, Latin (ben_Latn)"),
            ("zho_Hant", "Chinese, traditional (zho_Hant)"),
            ("npi_Deva", "Nepali (npi_Deva)"),
            ("zxx", "Images (zxx)"),
            ("my dialect", "my dialect"),
        ],
    )
    def test_label_is_a_name_with_the_code(self, code: str, label: str) -> None:
        assert language_label(code) == label

    @pytest.mark.parametrize("task", all_tasks(), ids=lambda task: task.name)
    def test_labels_of_a_task_differ(self, task: Task) -> None:
        assert len({language_label(code).rpartition(" (")[0] for code in task.languages}) == len(task.languages)


class TestMteb:
    @pytest.mark.parametrize("code", CODES)
    def test_mteb_knows_every_code(self, code: str) -> None:
        import_module("mteb.languages.check_language_code").check_language_code(alpha3_with_script(code))

    def test_belebele_is_named_as_in_mteb(self) -> None:
        theirs = import_module("mteb").get_task("BelebeleRetrieval").metadata.eval_langs
        known = {code for codes in theirs.values() for code in codes}
        assert {alpha3_with_script(code) for code in TASKS["belebele"].languages} == known

    @pytest.mark.parametrize(
        ("code", "name"),
        [("ja", "jpn-Jpan"), ("ko", "kor-Hang"), ("zh-TW", "zho-Hant"), ("ar", "ara-Arab"), ("ger", "deu-Latn"),
         ("quz", "quz-Latn"), ("sr-Latn", "srp-Latn"), ("EN", "eng-Latn"), ("own", "und-Zzzz")],
    )  # fmt: skip
    def test_languages_are_chosen_by_name(self, code: str, name: str) -> None:
        assert alpha3_with_script(code) == name


class TestChoose:
    @pytest.mark.parametrize(
        ("task", "typed", "chosen"),
        [
            ("belebele", "th", "tha_Thai"),
            ("belebele", "EN-us", "eng_Latn"),
            ("belebele", "zh-Hant", "zho_Hant"),
            ("belebele", "bn-Beng", "ben_Beng"),
            ("belebele", "ar-EG", "arb_Arab"),
            ("belebele", "nb", "nob_Latn"),
            ("xquad-r", "eng", "en"),
            ("xquad-r", "zho_Hans", "zh"),
        ],
    )
    def test_languages_are_chosen_in_any_clear_spelling(self, task: str, typed: str, chosen: str) -> None:
        assert TASKS[task].choose([typed]) == (chosen,)

    def test_the_order_is_the_tasks_own_and_images_stay(self) -> None:
        assert TASKS["xquad-r"].choose(["zh", "deu", "de"]) == ("de", "zh")
        assert TASKS["emoji-t2i"].choose(["fra"]) == ("fr", IMAGES)
        assert TASKS["xquad-r"].choose() == TASKS["xquad-r"].languages

    @pytest.mark.parametrize(
        ("task", "typed", "message"),
        [
            ("belebele", "zh", "Known: zho_Hans, zho_Hant. 'zh' is ambiguous"),
            ("belebele", "bn", "ben_Beng, ben_Latn"),
            ("belebele", "tha_Tai", "Did you mean tha_Thai"),
            ("xquad-r", "zh-Hant", "xquad-r has no language 'zh-Hant'"),
            ("xquad-r", "xx", "xquad-r has no language 'xx'"),
        ],
    )
    def test_what_is_not_clear_is_refused(self, task: str, typed: str, message: str) -> None:
        with pytest.raises(UnknownName, match=message):
            TASKS[task].choose([typed])

    @pytest.mark.parametrize(
        "arguments",
        [
            ["run", "random", "--tasks", "miracl-hn"],
            ["plan", "random", "--tasks", "miracl-hn"],
            ["score", "a.run", "--task", "miracl-hn"],
            ["fetch", "miracl-hn"],
        ],
        ids=lambda arguments: arguments[0],
    )
    def test_every_verb_refuses_an_unknown_language(self, arguments: list[str], tmp_path: Path) -> None:
        (tmp_path / "a.run").write_text("q Q0 d 1 1.0 x\n")
        done = panglot(*arguments, "--languages", "xx", cwd=tmp_path)
        assert done.returncode == 2
        assert "miracl-hn has no language 'xx'" in " ".join(done.stderr.split())

    def test_a_spelling_without_a_match(self) -> None:
        assert match_language("own", ["own"]) == []
        assert match_language("hi", ["hin_Latn"]) == ["hin_Latn"]
        assert match_language("hi-Deva", ["hin_Latn"]) == []


class TestSplitLanguages:
    @pytest.mark.parametrize(
        ("asked", "offered"), [("zh-Hans", "zh"), ("EN", "en"), ("en-US", "en"), ("tha_Thai", "th"), ("nob", "no")]
    )
    def test_queries_in_one_spelling_and_candidates_in_another(self, asked: str, offered: str) -> None:
        assert find_split_languages({asked: (5, 0), "de": (5, 5), offered: (0, 9)}) == [(asked, offered)]

    @pytest.mark.parametrize(
        "sizes",
        [
            {"ben_Beng": (5, 0), "ben_Latn": (0, 5)},
            {"zho_Hans": (5, 5), "zho_Hant": (5, 5)},
            {"en": (5, 0), "de": (0, 5)},
            {"own": (5, 0), "Own": (0, 5)},
            {"en-US": (5, 5), "en": (0, 5)},
        ],
    )
    def test_variants_and_other_languages_are_kept_apart(self, sizes: dict[str, tuple[int, int]]) -> None:
        assert find_split_languages(sizes) == []

    @pytest.mark.parametrize("task", all_tasks(), ids=lambda task: task.name)
    def test_no_task_is_split(self, task: Task) -> None:
        assert find_split_languages(task.sizes) == []

    def test_a_run_warns_before_it_encodes(self, tmp_path: Path) -> None:
        (tmp_path / "corpus.jsonl").write_text('{"_id": "c", "text": "one word", "language": "zh"}\n')
        (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "word", "language": "zh-Hans"}\n')
        (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\tc\t1\n")
        done = panglot("run", "bm25", "--tasks", "./", cwd=tmp_path)
        said = " ".join((done.stdout + done.stderr).split())
        assert "all Chinese queries use the code 'zh-Hans' and all candidates 'zh'" in said
