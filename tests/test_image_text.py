"""Image-text pools: one encoding for all directions, known ends of every scale, and equal to trec_eval."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from PIL.Image import Image as Picture

from panglot.data.catalogue import groups
from panglot.data.damage import without_damaged
from panglot.data.load import read_pool
from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.data.readers.captions import Caption, ImageText, Shown, image_to_text, mixed, text_to_image
from panglot.encode.cache import VectorCache
from panglot.encode.kinds.floors import ConstantVectors
from panglot.encode.load import load_model
from panglot.encode.model import Model, sees_images
from panglot.encode.scoring import score_pool
from panglot.encode.vectors import encode_with_images
from panglot.errors import BadData, BadEncoder
from panglot.evaluate.run import run
from panglot.retrieve.evidence import Evidence
from panglot.retrieve.ranking import collect_evidence
from panglot.score.bias.modality import modality_statistics
from panglot.score.metrics import parse_metric
from panglot.score.summary import Scores, score_evidence
from tests.helpers.command import panglot
from tests.helpers.images import Numbers, image_of, image_text, numbered
from tests.helpers.scores import Constant, FixedScores, Perfect, Random
from tests.helpers.tasks import TASKS
from tests.helpers.trec import TREC

LANGUAGES = ("de", "en", "zh")
DIRECTIONS: Mapping[str, Callable[[ImageText], Pool]] = {"t2i": text_to_image, "i2t": image_to_text, "mixed": mixed}


@pytest.fixture(params=DIRECTIONS)
def direction(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _scores(pool: Pool, model: Model) -> Scores:
    return score_evidence(collect_evidence(pool, score_pool(model, pool).scores), "ndcg@10", draws=20)


def test_three_pools_of_a_small_set() -> None:
    data = image_text(2, ("de", "en"))
    t2i, i2t, both = (make(data) for make in DIRECTIONS.values())
    assert t2i.languages == ("de", "en", "zxx")
    assert t2i.candidates.ids == ("zxx:i0", "zxx:i1")
    assert [t2i.candidates.ids[c] for c in t2i.candidate] == ["zxx:i0", "zxx:i1", "zxx:i0", "zxx:i1"]
    assert t2i.groups == ("i0", "i1", "i0", "i1")
    assert i2t.queries.ids == ("zxx:i0", "zxx:i1")
    assert [i2t.candidates.ids[c] for c in i2t.candidate] == ["de:i0:0", "en:i0:0", "de:i1:0", "en:i1:0"]
    assert both.candidates.ids == ("de:i0:0", "de:i1:0", "en:i0:0", "en:i1:0", "zxx:i0", "zxx:i1")
    assert [both.candidates.ids[c] for c in both.candidate[:2]] == ["en:i0:0", "zxx:i0"]
    assert [both.candidates.ids[c] for c in both.excluded] == list(both.queries.ids)


def test_images_of_one_picture_and_all_their_captions_are_relevant() -> None:
    files = [image_of(numbered(number)) for number in range(3)]
    data = ImageText(
        [Shown("cover", files[0], "page"), Shown("page", files[1], "page"), Shown("other", files[2], "other")],
        [Caption(f"en:{name}:0", name, "en", text) for name, text in (("cover", "A"), ("page", "B"), ("other", "B"))],
    )
    pool = text_to_image(data)
    assert [(pool.queries.ids[q], pool.candidates.ids[c]) for q, c in zip(pool.query, pool.candidate, strict=True)] == [
        ("en:cover:0", "zxx:cover"),
        ("en:cover:0", "zxx:page"),
        ("en:page:0", "zxx:cover"),
        ("en:page:0", "zxx:page"),
        ("en:other:0", "zxx:other"),
    ]
    assert np.bincount(image_to_text(data).query).tolist() == [2, 2, 1]
    assert np.bincount(mixed(data).query).tolist() == [3, 3, 1]


def test_a_caption_of_no_image_is_refused() -> None:
    with pytest.raises(BadData, match="The caption en:x:0 belongs to the unknown image 'x'"):
        text_to_image(ImageText([], [Caption("en:x:0", "x", "en", "?")]))


def test_own_locale_asks_once_an_image() -> None:
    pool = mixed(image_text(6, LANGUAGES, captions=2), only_own_locale=True)
    assert pool.queries.ids == tuple(f"{LANGUAGES[n % 3]}:i{n}:0" for n in (0, 3, 1, 4, 2, 5))
    assert len(pool.candidates) == 6 * 6 + 6
    assert set(np.bincount(pool.query).tolist()) == {6}


class Cheap(Numbers):
    """Counts only: its vectors cost nothing."""

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        self.texts += [(role, text) for text in texts]
        return np.ones((len(texts), 2))

    def encode_images(self, images: Sequence[Picture]) -> np.ndarray:
        self.images += len(images)
        return np.ones((len(images), 2))


def test_one_encoding_of_each_image_and_caption_serves_all_directions(tmp_path: Path) -> None:
    """36 languages × 360 images are 360 encodings of images; one for each language would be 12,960."""
    data = image_text(360, [f"l{number:02d}" for number in range(36)])
    encoder = Cheap()
    for pool in (text_to_image(data), image_to_text(data), mixed(data, only_own_locale=True)):
        encode_with_images(encoder, pool, VectorCache(tmp_path))
    assert encoder.images == 360
    assert len(encoder.texts) == len(set(encoder.texts)) == 36 * 360
    assert {role for role, _ in encoder.texts} == {"query"}


def test_a_pool_alone_encodes_nothing_twice() -> None:
    encoder = Numbers()
    asked, offered = encode_with_images(encoder, mixed(image_text(10, LANGUAGES)))
    assert (encoder.images, len(encoder.texts)) == (10, 30)
    assert (asked.texts, asked.fresh, offered.texts) == (40, 40, 0)
    assert (asked.vectors == offered.vectors[:30]).all()
    assert np.linalg.norm(offered.vectors, axis=1) == pytest.approx(np.ones(40))


def test_equal_files_and_equal_captions_are_one() -> None:
    encoder = Numbers()
    data = image_text(4, ("en",), files=[numbered(1), numbered(1), numbered(2), numbered(3)])
    pool = text_to_image(ImageText(data.images, [caption._replace(text="1 same") for caption in data.captions]))
    evidence = collect_evidence(pool, score_pool(encoder, pool).scores)
    assert (encoder.images, len(encoder.texts)) == (3, 1)
    assert evidence.together.rank[:2].tolist() == [2, 2]


def test_blind_and_perfect_models_reach_the_bounds(direction: str) -> None:
    data = image_text(40, LANGUAGES)
    pool = DIRECTIONS[direction](data)
    settings = ("cross", "multi") if direction == "i2t" else ("multi",)
    perfect = score_evidence(collect_evidence(pool, Perfect(pool)), "ndcg@10", draws=20)
    assert tuple(perfect.settings) == settings
    assert all(perfect.settings[setting][name].value == 1 for setting in settings for name in ("ndcg@10", "map"))
    constant = _scores(pool, ConstantVectors())
    offered = len(pool.candidates) - bool(len(pool.excluded))
    relevants = np.bincount(pool.query)[0]
    places = offered - relevants + 1 + np.arange(relevants)
    assert constant.settings["multi"]["map"].value == pytest.approx(np.mean((1 + np.arange(relevants)) / places))
    assert constant.settings["multi"]["recall@10"].value == 0
    assert constant.balance == {}
    found = score_evidence(collect_evidence(pool, Random(pool)), "ndcg@10", draws=20).settings["multi"]["recall@10"]
    assert found.low - 0.03 < 10 / offered < found.high + 0.03


def test_a_real_signal_is_found_in_every_direction(direction: str) -> None:
    scores = _scores(DIRECTIONS[direction](image_text(40, LANGUAGES)), Numbers(noise=0.3))
    assert scores.settings["multi"]["ndcg@10"].value > 0.99


def test_equal_to_trec_eval(direction: str) -> None:
    pool = DIRECTIONS[direction](image_text(30, LANGUAGES, captions=2))
    model = Numbers(noise=2.0)
    scores = score_pool(model, pool).scores.block(0, len(pool.queries))
    ranking = collect_evidence(pool, score_pool(model, pool).scores).together
    qrels: dict[str, dict[str, int]] = {}
    for query, candidate in zip(pool.query, pool.candidate, strict=True):
        qrels.setdefault(pool.queries.ids[query], {})[pool.candidates.ids[candidate]] = 1
    listed = {
        id_: {
            candidate: float(score)
            for candidate, score in zip(pool.candidates.ids, row, strict=True)
            if candidate != id_
        }
        for id_, row in zip(pool.queries.ids, scores, strict=True)
    }
    peer = pytrec_eval.RelevanceEvaluator(qrels, set(TREC.values())).evaluate(listed)
    for name, trec in TREC.items():
        expected = [peer[id_][trec] for id_ in pool.queries.ids]
        assert parse_metric(name).compute(ranking) == pytest.approx(expected, abs=1e-9), name


def test_what_is_left_out_neither_counts_nor_is_listed(fixed_scores: type[FixedScores]) -> None:
    pool = Pool.of(
        ("en",),
        [Query("a", "", "en", "g", excluded="a"), Query("b", "", "en", "g")],
        [Candidate(id_, "", "en") for id_ in "abc"],
        [Judgement("a", "c"), Judgement("b", "c")],
    )
    matrix = np.array([[9, 1, 2], [9, 1, 2]])
    evidence = collect_evidence(pool, fixed_scores(matrix))
    assert evidence.together.rank.tolist() == [1, 2]
    assert evidence.top.tolist() == [[2, 1], [0, 2]]
    assert matrix[0, 0] == 9
    whole = Pool.of(
        ("en",),
        [Query("a", "", "en", "g"), Query("b", "", "en", "g")],
        [Candidate(id_, "", "en") for id_ in "abc"],
        [Judgement("a", "c"), Judgement("b", "c")],
    )
    assert whole.fingerprint != pool.fingerprint
    assert pool.only(["en"]) is pool
    assert pool.part(np.array([0]), np.array([1, 2])).excluded.tolist() == []
    assert pool.part(np.array([0]), np.array([0, 2])).excluded.tolist() == [0]


@pytest.mark.parametrize(
    ("excluded", "judged", "message"),
    [("x", "b", "The query 'q' excludes 'x', which is not a candidate"), ("b", "b", "excluded for a query is judged")],
)
def test_wrong_exclusion_is_refused(excluded: str, judged: str, message: str) -> None:
    candidates = [Candidate(id_, "", "en") for id_ in "ab"]
    with pytest.raises(BadData, match=message):
        Pool.of(("en",), [Query("q", "", "en", "g", excluded=excluded)], candidates, [Judgement("q", judged)])


def test_the_fingerprint_knows_the_bytes_of_images() -> None:
    pools = [text_to_image(image_text(2, ("en",), files=[numbered(0), numbered(other)])) for other in (1, 2)]
    assert pools[0].fingerprint != pools[1].fingerprint
    assert text_to_image(image_text(2, ("en",))).fingerprint == pools[0].fingerprint


def _evidence(pool: Pool, scores: np.ndarray) -> Evidence:
    return collect_evidence(pool, FixedScores(scores))


def test_modality_gap_equals_hand_computed_value() -> None:
    pool = mixed(image_text(2, ("de", "en")))
    # Candidates: de:i0 de:i1 en:i0 en:i1 zxx:i0 zxx:i1. Captions first, the right image last.
    row = {"de:i0:0": [9, 3, 4, 2, 0, 1], "de:i1:0": [3, 9, 2, 4, 1, 0]}
    row |= {"en:i0:0": [4, 2, 9, 3, 0, 1], "en:i1:0": [2, 4, 3, 9, 1, 0]}
    scores = score_evidence(_evidence(pool, np.array([row[id_] for id_ in pool.queries.ids])), "ndcg@10", draws=5)
    assert set(scores.bias) == {
        "modality_gap",
        "same_modality_ratio@10",
        "consistency@10",
        "hubness@10",
        "hub_share@10",
        "language_spread",
        "language_deviation",
    }
    # The caption in the other language stands at rank 1, the image at 5 of the five that are offered.
    assert scores.bias["modality_gap"].value == 4
    # All five are listed: three captions and two images; captions are four of the pool's six.
    assert scores.bias["same_modality_ratio@10"].value == pytest.approx((3 / 5) / (4 / 6))
    assert scores.blind["modality_gap"] == 0
    assert scores.blind["same_modality_ratio@10"] == 1


def test_own_modality_of_queries_that_are_images_is_images() -> None:
    """Two images and a caption are listed in a pool of two images and four captions."""
    pool = Pool.of(
        ("de", "zxx"),
        [Query("de:q", "", "de", "q"), Query("zxx:q", "", "zxx", "q")],
        [Candidate(f"{x}:c{n}", "", x) for x, count in (("de", 4), ("zxx", 2)) for n in range(count)],
        [Judgement(f"{x}:q", f"{y}:c0") for x in ("de", "zxx") for y in ("de", "zxx")],
    )
    evidence = collect_evidence(pool, FixedScores(np.tile([7, 3, 2, 1, 9, 8], (2, 1))), depth=3)
    found = modality_statistics(evidence)["own_modality"][:, 0]
    assert found == pytest.approx([(1 / 3) / (4 / 6), (2 / 3) / (2 / 6)])


def test_a_blind_ranker_has_no_modality_gap() -> None:
    pool = mixed(image_text(200, LANGUAGES))
    found = score_evidence(collect_evidence(pool, Random(pool)), "ndcg@10", draws=50).bias
    assert abs(found["modality_gap"].value) < 25
    assert found["same_modality_ratio@10"].value == pytest.approx(1, abs=0.02)


def test_ties_do_not_count_as_a_modality_gap() -> None:
    pool = mixed(image_text(5, ("de", "en", "zh")))
    constant = _evidence(pool, np.zeros((len(pool.queries), len(pool.candidates))))
    assert score_evidence(constant, "ndcg@10", draws=5).bias["modality_gap"] == (0, 0, 0)


def test_each_direction_has_its_bias_measures() -> None:
    data = image_text(30, LANGUAGES)
    t2i, i2t = _scores(text_to_image(data), Numbers(noise=1)), _scores(image_to_text(data), Numbers(noise=1))
    assert set(t2i.bias) == {"consistency@10", "hubness@10", "hub_share@10", "language_spread", "language_deviation"}
    assert {"rank_distance", "kendall_w", "language_jsd@10", "hubness@10", "language_spread"} <= set(i2t.bias)
    assert not {"same_language_ratio@10", "first_hit_own_language", "strong_alignment"} & set(i2t.bias)
    assert i2t.worst_language in LANGUAGES
    assert {language for language, found in t2i.languages.items() if found} == set(LANGUAGES)
    assert set(i2t.languages["zxx"]) == {"cross", "multi", "bias"}
    assert set(i2t.languages["de"]) == {"cross_to"}
    constant = text_to_image(image_text(30, LANGUAGES))
    assert score_evidence(collect_evidence(constant, Constant(constant)), "ndcg@10", draws=5).bias[
        "consistency@10"
    ].value == pytest.approx(1)


def test_several_captions_of_a_language_are_handled() -> None:
    scores = _scores(text_to_image(image_text(20, LANGUAGES, captions=3)), Numbers(noise=0.5))
    assert scores.settings["multi"]["recall@10"].value > 0.9
    assert 0 < scores.bias["consistency@10"].value <= 1


@pytest.mark.parametrize("name", ["use-multilingual", "bm25", "rrf:bm25+use-multilingual"])
def test_a_model_of_texts_is_refused_before_anything_is_read(name: str) -> None:
    model = load_model(name)
    assert not sees_images(model)
    with pytest.raises(BadEncoder, match=r"encodes only text, but xm3600-t2i has images\."):
        run(TASKS["xm3600-t2i"], model)


def test_models_that_look_at_no_content_score_images(direction: str) -> None:
    pool = DIRECTIONS[direction](image_text(5, LANGUAGES))
    assert collect_evidence(pool, score_pool(load_model("language-id"), pool).scores).queries == len(pool.queries)
    assert sees_images(load_model("rrf:random+constant"))


def test_vectors_of_two_spaces_are_refused() -> None:
    class Mismatched(Numbers):
        def encode_images(self, images: object) -> np.ndarray:
            return super().encode_images(images)[:, :5]  # type: ignore[arg-type]

    with pytest.raises(BadEncoder, match="dimension 64 for captions and 5 for images"):
        score_pool(Mismatched(), text_to_image(image_text(3, ("en",))))


def test_an_image_that_the_encoder_fails_on_is_named() -> None:
    class Fails(Numbers):
        def encode_images(self, images: object) -> np.ndarray:
            if any(image.getpixel((0, 0))[0] == 2 for image in images):  # type: ignore[attr-defined]
                raise RuntimeError("dark")
            return super().encode_images(images)  # type: ignore[arg-type]

    with pytest.raises(BadEncoder, match=r"numbers failed on zxx:i2 \(zxx\): an image. RuntimeError: dark"):
        score_pool(Fails(), text_to_image(image_text(5, ("en",))))


SIZES = {
    "emoji-t2i": (8520, 426, 8520),
    "emoji-i2t": (426, 8520, 8520),
    "emoji-mixed": (8520, 8946, 170_400),
    "emoji-keywords-t2i": (16_997, 426, 16_997),
    "storybooks-t2i": (1634, 107, 1878),
    "storybooks-i2t": (107, 1634, 1878),
    "storybooks-mixed": (1634, 1741, 28_942),
}


@pytest.mark.usefixtures("real_data")
@pytest.mark.parametrize("name", SIZES)
def test_real_sets_have_their_sizes(name: str) -> None:
    pool = read_pool(TASKS[name])
    assert (len(pool.queries), len(pool.candidates), len(pool.query)) == SIZES[name]
    assert without_damaged(pool).damaged == 0


@pytest.mark.usefixtures("real_data")
def test_real_records_are_read() -> None:
    emoji = read_pool(TASKS["emoji-t2i"], ["de"])
    assert emoji.languages == ("de", "zxx")
    assert emoji.queries.texts[emoji.queries.ids.index("de:u00a9:0")] == "Copyright"
    books = read_pool(TASKS["storybooks-t2i"])
    relevants = Counter(np.bincount(books.query).tolist())
    assert relevants[2] == 244
    assert relevants[1] == 1390


def test_suites_hold_their_sets(tmp_path: Path) -> None:
    assert [task.name for task in groups()["emoji"]] == ["emoji-t2i", "emoji-i2t", "emoji-mixed"]
    assert [task.name for task in groups()["m2m"]] == ["xquad-r", "mlqa-r"]
    assert "starter" not in {task.name for task in groups()["murec"]}
    unknown = panglot("run", "random", "--suite", "murek", cwd=tmp_path)
    assert "Unknown suite 'murek'. Did you mean murec?" in unknown.stderr


def test_storybooks_run_is_shown_verified_and_drawn(data_dir: Path, tmp_path: Path) -> None:
    options = ("--tasks", "storybooks", "--out", "out", "--no-cache")
    done = panglot("run", "random", *options, cwd=tmp_path, PANGLOT_DATA=str(data_dir))
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert all(part in said for part in ("text → image", "image → text", "text → both", "own modality"))
    assert "0 of 1,723 texts and images encoded" in said
    shown = panglot("show", "out", cwd=tmp_path, COLUMNS="80").stdout
    assert "…" not in shown
    result = json.loads((tmp_path / "out" / "random@1" / "storybooks-mixed.json").read_text(encoding="utf-8"))
    assert result["task"]["languages"][-1] == "zxx"
    assert result["balance"] == {}
    verified = panglot("verify", "out", cwd=tmp_path, PANGLOT_DATA=str(data_dir))
    assert verified.returncode == 0, verified.stdout
    page = panglot(
        "show", "out/random@1/storybooks-i2t.json", "--gallery", "page.html", cwd=tmp_path, PANGLOT_DATA=str(data_dir)
    )
    assert page.returncode == 0, page.stderr
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert html.count("<section>") == 24
    assert 'dir="auto" lang="ar-Arab"' in html
    assert "<small>Arabic (ar)</small>" in html
    assert "data:image/jpeg;base64," in html
    assert "http" not in html
    assert "Ranks of relevant candidates: " in html


def test_run_names_image_tasks_that_a_text_model_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [TASKS[name] for name in ("xquad-r", "mlqa-r", "emoji-t2i", "emoji-i2t", "emoji-mixed")]
    monkeypatch.setattr("panglot.cli.commands.run.find_suite", lambda name: tasks)
    for task in tasks[:2]:
        (tmp_path / task.name).mkdir()
    done = panglot("run", "bm25", "--suite", "murec", cwd=tmp_path, PANGLOT_DATA=str(tmp_path))
    said = " ".join(done.stdout.split())
    assert "bm25 does not encode images. Skipped: emoji-t2i, emoji-i2t, emoji-mixed" in said
    assert "xquad-r failed" in said
    assert "emoji-t2i failed" not in said
