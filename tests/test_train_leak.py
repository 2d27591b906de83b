from __future__ import annotations

import hashlib
import socket
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panglot.data.image import IMAGES, Image
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.task import Size, Task
from panglot.errors import BadData
from panglot.files import data_from
from panglot.train.data.leak import Leak, check_leaks
from panglot.train.data.leak_cache import check_leaks_once
from panglot.train.data.pairs import ImageCaption, Pairs, PairsBuilder, TextPair
from panglot.train.data.read import read_pairs, text_entries
from panglot.train.data.translate import translated
from panglot.train.data.words import Units, as_lines, is_kept, long_runs, normalised
from panglot.train.recipes.recipe import TextData
from panglot.train.recipes.recipe_file import make_recipe
from tests.helpers.tasks import TASKS

SENTENCE = "the old bridge was closed to all traffic after the storm of last winter"
CHINESE = "这座古老的桥在去年冬天的暴风雨之后对所有车辆关闭了"


def pool(text: str, language: str = "en") -> Pool:
    return Pool.of(
        (language,),
        [Query("q", "Why was it closed?", language, "g")],
        [Candidate("c", text, language)],
        [Judgement("q", "c")],
    )


def pairs(*texts: str, language: str = "en") -> Pairs:
    builder = PairsBuilder(("en", "zh"))
    builder.add_texts("own", [TextPair(str(n), language, f"query {n}", text) for n, text in enumerate(texts)])
    return builder.build()


def task_of(pool: Pool, name: str = "own-task") -> Task:
    return replace(TASKS["starter"], name=name, sizes=dict.fromkeys(pool.languages, Size(1, 1)))


def leaks_of(pairs: Pairs, pool: Pool, name: str = "own-task") -> tuple[Leak, ...]:
    """What the training data shares with a task that is here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("panglot.train.data.leak.local_pool", lambda task, languages, checked: pool)
        return check_leaks(pairs, [task_of(pool, name)]).leaks


def test_normalised_text_is_letters_marks_and_digits() -> None:
    written = ["  Ｔhe «Old»\tbridge—No. 5! ", "हिन्दी, में", "", "a\nb \ud800", "ΣΑΣ"]
    assert normalised(written) == ["the old bridge no 5", "हिन्दी में", "", "a b", "σας"]
    assert normalised([]) == []


@given(st.lists(st.text(), max_size=5))
def test_texts_are_normalised_alike_together_and_alone(texts: list[str]) -> None:
    alone = [" ".join("".join(c if is_kept(c) else " " for c in _lowered(text)).split()) for text in texts]
    assert normalised(texts) == alone


def _lowered(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def test_runs_are_of_eight_words_or_of_characters() -> None:
    runs = long_runs(as_lines(["a b c d e f g h i", "", "a b c", "b c d e f g h i"]), "en")
    assert runs.text.tolist() == [0, 0, 3]
    assert runs.numbers[1] == runs.numbers[2] != runs.numbers[0]
    assert long_runs(as_lines([CHINESE, CHINESE[:12]]), "zh").text.tolist() == [0] * (len(CHINESE) - 12)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=9), max_size=4), st.integers(1, 4), st.booleans())
def test_runs_are_equal_where_their_units_are(texts: list[list[str]], size: int, unspaced: bool) -> None:
    lines = as_lines([("" if unspaced else " ").join(text) for text in texts])
    runs = Units.of(lines, unspaced).runs(size)
    expected = [
        (place, tuple(text[n : n + size])) for place, text in enumerate(texts) for n in range(len(text) - size + 1)
    ]
    assert runs.text.tolist() == [place for place, _ in expected]
    known = dict(zip(runs.numbers.tolist(), (units for _, units in expected), strict=True))
    assert [known[number] for number in runs.numbers.tolist()] == [units for _, units in expected]
    assert len(set(known.values())) == len(known)


def test_a_whole_text_is_refused_however_it_is_written() -> None:
    with pytest.raises(BadData, match="1 of own-task in en"):
        leaks_of(pairs(f"“{SENTENCE.upper()}!”"), pool(SENTENCE))


def test_a_text_is_rejected_in_any_spelling_of_its_language() -> None:
    with pytest.raises(BadData, match="1 of own-task in eng_Latn"):
        leaks_of(pairs(SENTENCE), pool(SENTENCE, "eng_Latn"))
    codes = [long_runs(as_lines([CHINESE]), code).numbers.tolist() for code in ("zho_Hans", "zh")]
    assert codes[0] == codes[1]


def test_a_question_is_refused_too() -> None:
    with pytest.raises(BadData, match="evaluation tasks"):
        leaks_of(pairs("why was it closed"), pool(SENTENCE))


def test_shared_runs_are_counted_in_their_own_language() -> None:
    part = SENTENCE.replace("winter", "year")
    leak = leaks_of(pairs(part, "something else"), pool(SENTENCE))[0]
    assert (leak.language, leak.texts, leak.exact, leak.overlapping) == ("en", 4, 0, 1)
    assert leaks_of(pairs(part), pool(SENTENCE, "zh"))[0].overlapping == 0
    assert leaks_of(pairs(CHINESE[3:-3], language="zh"), pool(CHINESE, "zh"))[0].overlapping == 1


def test_pictures_of_an_evaluation_task_are_refused() -> None:
    data = b"a picture"
    image = Image(hashlib.sha256(data).hexdigest(), lambda: data)
    seen = Pool.of(
        ("en", IMAGES), [Query("q", "cat", "en", "g")], [Candidate("c", "", IMAGES, image)], [Judgement("q", "c")]
    )
    builder = PairsBuilder(("en",))
    builder.add_images("emoji", [ImageCaption("i", "en", "a cat")], {"i": data})
    with pytest.raises(BadData, match="1 of pictures in zxx"):
        leaks_of(builder.build(), seen, "pictures")


def test_leak_check_fetches_nothing_and_names_what_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the leak check went to the network")

    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("pooch.retrieve", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    for folder in (None, tmp_path):
        with data_from(folder):
            found = check_leaks(pairs(SENTENCE), TASKS.values())
        assert found.compared == ("starter",)
        assert {"xquad-r", "belebele", "miracl"} <= set(found.absent)
        assert not any(TASKS[name].has_images for name in found.absent)
        few = found._replace(absent=found.absent[:2])
        assert (
            str(few) == f"Leak check: compared with starter. Not compared, data not available: {', '.join(few.absent)}."
        )
        assert f"Not compared: {len(found.absent)} tasks whose data is not available." in str(found)


def test_image_tasks_are_compared_with_images(tmp_path: Path) -> None:
    builder = PairsBuilder(("en",))
    builder.add_images("emoji", [ImageCaption("i", "en", "a cat")], {"i": b"a picture"})
    with data_from(tmp_path):
        assert "emoji-t2i" in check_leaks(builder.build(), TASKS.values()).absent


def test_only_the_languages_of_the_training_data_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("panglot.train.data.leak.local_pool", lambda task, languages, checked: asked.append(languages))
    check_leaks(pairs(SENTENCE), [TASKS["xquad-r"], TASKS["belebele"]])
    assert [set(languages) for languages in asked] == [{"en", "zh"}, {"eng_Latn", "zho_Hans"}]


def test_the_training_sets_hold_nothing_of_the_evaluation_sets(real_data: Path) -> None:
    """As their description says: no whole text, and of runs only a stock phrase that parallel documents need."""
    sets = [{"name": name} for name in ("ntrex", "mkqa_questions", "sections", "qa_pairs", "terms")]
    recipe = make_recipe({"name": "x", "text": {"kind": "static"}, "data": sets})
    tasks = [TASKS[name] for name in ("xquad-r", "mlqa-r")]
    found = check_leaks(read_pairs(recipe), tasks).leaks
    assert sum(leak.exact for leak in found) == 0
    assert {(leak.task, leak.language): leak.overlapping for leak in found if leak.overlapping} == {("mlqa-r", "vi"): 4}
    assert {leak.language for leak in found if leak.task == "xquad-r"} == set(recipe.languages)


@pytest.mark.parametrize(
    ("name", "languages", "groups"),
    [("ntrex", 20, 1997), ("mkqa_questions", 9, 6744), ("sections", 18, 777), ("qa_pairs", 4, 18220)],
)
def test_adapters_read_every_row(real_data: Path, name: str, languages: int, groups: int) -> None:
    found = list(text_entries(TextData(name=name), ()))
    assert len({entry.language for entry in found}) == languages
    assert len({entry.group for entry in found}) == groups
    assert all(entry.query.strip() and entry.passage.strip() for entry in found)


def upper(texts: list[str], source: str, target: str) -> list[str]:
    return [f"{target}:{text}" for text in texts]


def test_translations_fill_what_a_group_lacks_and_are_remembered(tmp_path: Path) -> None:
    own = [TextPair("0", "en", "who", "he"), TextPair("1", "en", "what", "it"), TextPair("1", "de", "was", "es")]
    data = TextData(name="ntrex", translate_to=("de",))
    found = list(translated(own, data, tmp_path, upper))
    assert found == [*own, TextPair("0", "de", "de:who", "de:he")]

    def never(texts: list[str], source: str, target: str) -> list[str]:
        raise AssertionError("it is in the cache")

    assert list(translated(own, data, tmp_path, never)) == found


def test_check_is_remembered_until_data_or_tasks_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = PairsBuilder(("en",))
    builder.add_texts("own", [TextPair("1", "en", "a question", "an answer of one's own")])
    pairs = builder.build()
    first = check_leaks_once(pairs, [TASKS["starter"]], tmp_path)
    assert first.compared == ("starter",)
    with monkeypatch.context() as patched:
        patched.setattr("panglot.train.data.leak_cache.check_leaks", None)
        assert check_leaks_once(pairs, [TASKS["starter"]], tmp_path) == first
    builder.add_texts("more", [TextPair("2", "en", "another question", "another answer")])
    assert check_leaks_once(builder.build(), [TASKS["starter"]], tmp_path).leaks[0].texts > first.leaks[0].texts
    assert check_leaks_once(pairs, [], tmp_path).compared == ()
    for path in tmp_path.iterdir():
        path.write_text("damaged", encoding="utf-8")
    assert check_leaks_once(pairs, [TASKS["starter"]], tmp_path) == first


def test_task_is_compared_whole_if_no_query_is_answered_in_the_languages_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, ...]] = []

    def pool(task: Task, languages: Sequence[str] = (), checked: bool = True) -> None:
        asked.append(tuple(languages))
        if languages:
            raise BadData("no query has a relevant candidate")

    monkeypatch.setattr("panglot.train.data.leak.local_pool", pool)
    builder = PairsBuilder(("en",))
    builder.add_texts("ntrex", [TextPair("1", "en", "a", "b")])
    assert check_leaks(builder.build(), [TASKS["starter"]]).absent == ("starter",)
    assert asked == [("en",), ()]
