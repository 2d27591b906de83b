"""The other kinds of models, end to end and against naive twins: sparse, late, static, mteb's, fused, third-party."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.encode.card import ModelCard
from panglot.encode.kinds.fusion import FusedScores, reciprocal_ranks
from panglot.encode.kinds.late import LateScores
from panglot.encode.kinds.sparse import SparseScores
from panglot.encode.load import load_model
from panglot.encode.options import Options, takes
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder, MissingExtra
from panglot.evaluate.plan import BYTES_PER_SCORE, plan_run
from panglot.evaluate.run import run
from panglot.remedies.debiased import Debias
from tests.helpers.scores import FixedScores
from tests.helpers.tasks import TASKS

DEFAULTS = Options()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def _scores(model: str, options: Options = DEFAULTS) -> dict[str, float]:
    outcome = run(TASKS["starter"], load_model(model, options))
    return {setting: scores["map"].value for setting, scores in outcome.record.settings.items()}


@pytest.fixture(scope="session")
def words(starter: Pool) -> dict[str, int]:
    """Every word of the starter set, numbered after the special tokens."""
    found = {word for text in starter.queries.texts + starter.candidates.texts for word in re.findall(r"\w+", text)}
    return {word: index for index, word in enumerate([*SPECIAL, *sorted(found)])}


@pytest.fixture(scope="session")
def pair() -> Pool:
    """The starter set in two languages."""
    return read_pool(TASKS["starter"], ["en", "zh"])


@pytest.fixture(scope="session")
def tokenizer(words: dict[str, int]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [(token, words[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    return tokenizer


@pytest.fixture(scope="session")
def bert(tokenizer: Any, words: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny masked language model of random weights."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    folder = str(tmp_path_factory.mktemp("bert"))
    torch.manual_seed(3)
    size = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertForMaskedLM(BertConfig(vocab_size=len(words), initializer_range=0.1, **size))
    torch.nn.init.eye_(model.cls.predictions.transform.dense.weight)  # so that a word's largest logit is its own
    torch.nn.init.constant_(model.cls.predictions.bias, -2.5)  # so that few logits are positive
    model.save_pretrained(folder)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **dict(zip(names, SPECIAL, strict=True)))
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sparse(bert: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    from sentence_transformers import SparseEncoder

    folder = str(tmp_path_factory.mktemp("sparse"))
    SparseEncoder(bert).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def late(bert: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    from sentence_transformers import MultiVectorEncoder

    folder = str(tmp_path_factory.mktemp("late"))
    MultiVectorEncoder(bert).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def static(tokenizer: Any, words: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> str:
    from model2vec import StaticModel

    folder = str(tmp_path_factory.mktemp("static"))
    vectors = np.random.default_rng(5).standard_normal((len(words), 48)).astype(np.float32)
    StaticModel(vectors, tokenizer).save_pretrained(folder)
    return folder


def test_sparse_end_to_end(sparse: str, words: dict[str, int]) -> None:
    assert _scores(f"sparse:{sparse}")["mono"] > 0.1
    card = load_model(f"sparse:{sparse}").card
    assert (card.similarity, card.backend, len(card.revision)) == ("dot", "torch", 12)
    assert card.dimension == len(words)


def test_sparse_takes_a_bare_masked_language_model_and_options(bert: str, pair: Pool) -> None:
    asked = Options(query_prompt="the ", max_length=7, precision="bf16", device="cpu")
    card = load_model(f"sparse:{bert}", asked).card
    assert (card.prompts, card.max_length, card.precision) == ({"query": "the "}, 7, "bf16")
    blocks = [score_pool(load_model(f"sparse:{bert}", one), pair).scores.block(0, 9) for one in (Options(), asked)]
    assert np.abs(blocks[0] - blocks[1]).max() > 0.01


def test_sparse_falls_back_to_fp32_without_bf16(bert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.encode.checkpoints.precision.has_bf16", lambda device: False)
    card = load_model(f"sparse:{bert}", Options(precision="bf16", device="cpu")).card
    assert (card.precision, card.settings) == ("fp32", ())


def test_sparse_scores_are_those_of_the_dense_vectors(sparse: str, pair: Pool) -> None:
    from sentence_transformers import SparseEncoder

    model = SparseEncoder(sparse)
    queries = model.encode_query(list(pair.queries.texts[40:60]), convert_to_sparse_tensor=False)
    candidates = model.encode_document(list(pair.candidates.texts), convert_to_sparse_tensor=False)
    found = score_pool(load_model(f"sparse:{sparse}"), pair).scores.block(40, 60)
    assert found.dtype == np.float32
    assert found == pytest.approx((queries @ candidates.T).numpy(), rel=1e-4, abs=1e-4)


def test_a_sparse_product_is_the_dense_one_and_alike_for_alike_candidates() -> None:
    from scipy.sparse import csr_array

    generator = np.random.default_rng(1)
    dense = [generator.random((n, 50)).astype(np.float32) * (generator.random((n, 50)) < 0.2) for n in (30, 40)]
    dense[1][35:] = dense[1][:5]
    scores = SparseScores(*(csr_array(part) for part in dense))
    block = scores.block(10, 30)
    assert block == pytest.approx(dense[0][10:30] @ dense[1].T, rel=1e-5)
    assert (block[:, 35:] == block[:, :5]).all()
    assert (block[3:4] == scores.block(13, 14)).all()


def test_late_end_to_end(late: str) -> None:
    assert _scores(f"late:{late}")["mono"] > 0.1
    card = load_model(f"late:{late}", Options(max_length=20, passage_prompt="about ")).card
    assert (card.similarity, card.dimension, card.max_length) == ("late interaction", 128, 20)
    assert card.prompts == {"passage": "about "}


def test_late_scores_are_those_of_sentence_transformers(late: str, pair: Pool) -> None:
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(late)
    queries = model.encode_query(list(pair.queries.texts[40:60]))
    candidates = model.encode_document(list(pair.candidates.texts))
    found = score_pool(load_model(f"late:{late}"), pair).scores.block(40, 60)
    assert found.dtype == np.float32
    assert found == pytest.approx(model.similarity(queries, candidates).numpy(), rel=1e-4)


@pytest.mark.parametrize("tile", [1, 500, 1_000_000])
def test_maxsim_is_what_loops_give(tile: int) -> None:
    generator = np.random.default_rng(2)
    queries, candidates = (
        [generator.standard_normal((length, 8)).astype(np.float32) for length in generator.integers(1, 9, count)]
        for count in (70, 40)
    )
    candidates[30:] = [one.copy() for one in candidates[:10]]
    naive = [
        [sum(max(map(float, candidate @ token)) for token in query) for candidate in candidates] for query in queries
    ]
    scores = LateScores(queries, candidates, tile=tile)
    found = np.concatenate([scores.block(0, 66), scores.block(66, 70)])
    assert found == pytest.approx(np.array(naive), rel=1e-5, abs=1e-5)
    assert (found[:, 30:] == found[:, :10]).all()


def test_model2vec_end_to_end(static: str, starter: Pool) -> None:
    assert _scores(f"model2vec:{static}")["mono"] > 0.2
    model = load_model(f"model2vec:{static}", Options(truncate_dim=16, max_length=3))
    assert (model.card.dimension, model.card.max_length) == (16, 3)
    texts = list(starter.queries.texts[:200:20])
    from model2vec import StaticModel

    assert model.encode(texts, "query") == pytest.approx(
        StaticModel.from_pretrained(static).encode(texts, max_length=3)[:, :16]
    )
    assert model.count_tokens(["", *texts], "query").tolist() == [0] + [len(re.findall(r"\w+", text)) for text in texts]
    assert np.isfinite(model.encode(["qqqq", ""], "query")).all()
    assert model.encode(["qqqq", ""], "query").any(axis=1).all()


class TestMteb:
    """Models of mteb's registry."""

    def test_end_to_end_without_a_download(self) -> None:
        assert _scores("mteb:mteb/baseline-random-encoder")["mono"] < 0.15
        card = load_model("mteb:mteb/baseline-random-encoder", Options(truncate_dim=10)).card
        assert (card.name, card.revision, card.dimension) == ("mteb:mteb/baseline-random-encoder", "2", 10)

    @pytest.fixture
    def e5(self, bert: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """A name of the registry whose loader opens the tiny model instead."""
        from mteb.models.model_implementations import MODEL_REGISTRY
        from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

        def loader(name: str, revision: str, **settings: Any) -> Any:
            return SentenceTransformerEncoderWrapper(bert, device="cpu", model_prompts=settings["model_prompts"])

        name = "intfloat/multilingual-e5-small"
        monkeypatch.setitem(MODEL_REGISTRY, name, MODEL_REGISTRY[name].model_copy(update={"loader": loader}))
        return name

    def test_prompts_are_applied_and_recorded(self, e5: str, bert: str) -> None:
        from sentence_transformers import SentenceTransformer

        encoder = load_model(f"mteb:{e5}")
        assert encoder.card.prompts == {"query": "query: ", "passage": "passage: "}
        assert encoder.card.revision == "fd1525a9fd15316a2d503bf26ab031a61d056e98"
        assert (encoder.card.parameters, encoder.card.dimension, encoder.card.max_length) == (118_000_000, 384, 512)
        assert (encoder.card.licence, encoder.card.similarity) == ("mit", "cosine")
        plain = SentenceTransformer(bert)
        for role, prompt in encoder.card.prompts.items():
            texts = [f"{prompt}bees dance", f"{prompt}the sun"]
            assert encoder.encode(["bees dance", "the sun"], role) == pytest.approx(plain.encode(texts), abs=1e-5)

    def test_a_dimension_that_the_wrapper_ignores_is_refused(self, e5: str) -> None:
        with pytest.raises(BadEncoder, match="does not support --truncate-dim: it returned 64"):
            load_model(f"mteb:{e5}", Options(truncate_dim=384)).encode(["a"], "query")

    def test_failing_loader_is_reported(self, e5: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from mteb.models import ModelMeta

        def offline(self: ModelMeta, **_: Any) -> Any:
            raise OSError("We couldn't connect to the Hub.\nMore of it.")

        monkeypatch.setattr(ModelMeta, "load_model", offline)
        with pytest.raises(
            BadEncoder, match=r"cannot be loaded by mteb \S+ OSError: We couldn't connect to the Hub\.$"
        ):
            load_model(f"mteb:{e5}")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("intfloat/multilingual-e5-smal", "has no model .* Did you mean intfloat/multilingual-e5-small"),
            ("jinaai/jina-colbert-v2", "late-interaction model.* Try late:jinaai"),
            ("mteb/baseline-random-cross-encoder", "is a cross-encoder model; mteb: supports models with one vector"),
            ("nomic-ai/nomic-embed-text-v1.5", "Allow it with --trust-remote-code"),
        ],
    )
    def test_invalid_names_are_refused(self, name: str, message: str) -> None:
        with pytest.raises(BadEncoder, match=message):
            load_model(f"mteb:{name}")


def naive_ranks(row: Sequence[float]) -> list[int]:
    return [sum(other >= score for other in row) for score in row]


def test_fusion_is_what_its_definition_says() -> None:
    generator = np.random.default_rng(4)
    blocks = [generator.integers(0, 6, (20, 30)).astype(np.float32) for _ in range(3)]
    blocks[2] = generator.standard_normal((20, 30)).astype(np.float32)
    expected = [
        [sum(1 / (60 + ranks[place]) for ranks in rows) for place in range(30)]
        for rows in zip(*([naive_ranks(row) for row in block] for block in blocks), strict=True)
    ]
    fused = FusedScores([FixedScores(block) for block in blocks]).block(0, 20)
    assert fused.dtype == np.float32
    assert fused == pytest.approx(np.array(expected), rel=1e-7)


def test_a_constant_model_keeps_the_order_of_the_other() -> None:
    scores = np.random.default_rng(6).integers(0, 300, (50, 400)).astype(np.float32)
    fused = FusedScores([FixedScores(scores), FixedScores(np.ones((50, 400)))]).block(0, 50)
    assert (reciprocal_ranks(fused) == reciprocal_ranks(scores)).all()


def test_fusion_end_to_end(static: str) -> None:
    alone, fused = _scores(f"model2vec:{static}"), _scores(f"rrf:model2vec:{static}+constant")
    assert fused == pytest.approx(alone, abs=1e-6)
    both = load_model("rrf:bm25+use-multilingual")
    assert (both.card.name, both.card.similarity) == ("rrf:bm25+use-multilingual", "none")
    assert both.card.revision != load_model("rrf:use-multilingual+constant").card.revision
    assert "bm25@" in both.card.note


@pytest.mark.parametrize("name", ["rrf:bm25", "rrf:", "rrf:bm25+"])
def test_fusion_of_fewer_than_two_is_refused(name: str) -> None:
    with pytest.raises(BadEncoder, match="needs at least two models"):
        load_model(name)


@pytest.mark.parametrize("kind", ["sparse", "late"])
def test_batches_have_the_tokens_of_the_budget_and_memory_that_runs_out_halves_them(
    kind: str, request: pytest.FixtureRequest, pair: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{kind}:{request.getfixturevalue(kind)}"
    expected = score_pool(load_model(name), pair).scores.block(0, 20)
    model: Any = load_model(name, Options(batch_tokens=500))
    encode, module = model._model.encode_document, model._model[0]
    sizes = []

    def within_memory(texts: list[str], **settings: Any) -> Any:
        tokens = module.preprocess(texts)["input_ids"].numel()
        if tokens > 300:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        sizes.append(tokens)
        return encode(texts, **settings)

    monkeypatch.setattr(model._model, "encode_document", within_memory)
    assert score_pool(model, pair).scores.block(0, 20) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert 100 < max(sizes) <= 250


@pytest.mark.parametrize("kind", ["sparse", "late"])
def test_how_texts_are_read_is_recorded(kind: str, request: pytest.FixtureRequest) -> None:
    model: Any = load_model(f"{kind}:{request.getfixturevalue(kind)}", Options(batch_tokens=500))
    task = TASKS["starter"]
    pool = read_pool(task, ["de", "en"])
    record = run(task, model, ["de", "en"]).record.run
    assert (record.batch_tokens, record.hardware) == (500, "cpu, sdpa attention")
    assert record.encoding
    assert record.encoding.texts == record.encoding.fresh
    assert record.encoding.texts == len(set(pool.queries.texts)) + len(set(pool.candidates.texts))
    for role, items in (("query", pool.queries), ("passage", pool.candidates)):
        stated = record.encoding.queries if role == "query" else record.encoding.candidates
        for place, language in enumerate(pool.languages):
            texts = [items.texts[index] for index in np.flatnonzero(items.language == place)]
            tokens = model.count_tokens(texts, role)
            assert stated[language]["truncated"] == pytest.approx((tokens > model.cut_at(role)).mean())
            assert stated[language]["tokens_per_word"] == pytest.approx(
                tokens.sum() / sum(len(text.split()) for text in texts)
            )


@pytest.mark.parametrize("kind", ["sparse", "late"])
def test_plan_of_a_model_that_keeps_its_vectors(kind: str, request: pytest.FixtureRequest, pair: Pool) -> None:
    model: Any = load_model(f"{kind}:{request.getfixturevalue(kind)}")
    plan = plan_run(model, pair, None)
    for role, items, planned in zip(("query", "passage"), (pair.queries, pair.candidates), plan.roles, strict=True):
        different = sorted({text.strip() for text in items.texts})
        assert (planned.role, planned.items, planned.texts, planned.cached) == (role, len(items), len(different), 0)
        assert planned.tokens == model.count_tokens(different, role).sum()
        assert set(planned.truncated) == set(pair.languages)
        assert planned.seconds > 0
    assert plan.ranking_seconds > 0
    assert (plan.dimension, plan.disk_bytes) == (0, 0)
    assert (plan.memory_bytes > BYTES_PER_SCORE * len(pair.queries) * len(pair.candidates)) == (kind == "late")
    with pytest.raises(BadEncoder, match="does not produce vectors, so it cannot be debiased"):
        plan_run(model, pair, None, Debias.parse("centre"))


@pytest.mark.parametrize("kind", ["sparse", "late", "model2vec"])
def test_folders_that_hold_no_such_model(kind: str, tmp_path: Path) -> None:
    with pytest.raises(BadEncoder, match=f"{kind}:.*Expected a model|{kind}:.*Give a folder"):
        load_model(f"{kind}:{tmp_path}")
    (tmp_path / "modules.json").write_text("[]", encoding="utf-8")
    if kind != "model2vec":
        with pytest.raises(BadEncoder, match=r"is a SentenceTransformer, not a .*Try st:"):
            load_model(f"{kind}:{tmp_path}")
    if kind == "late":
        (tmp_path / "modules.json").unlink()
        (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}', encoding="utf-8")
        with pytest.raises(BadEncoder, match=r"a bare encoder, .*; its token vectors would come from random weights"):
            load_model(f"late:{tmp_path}")


@pytest.mark.parametrize(
    ("kind", "extra"), [("sparse", "st"), ("late", "st"), ("model2vec", "model2vec"), ("mteb", "mteb")]
)
def test_a_missing_library_is_named(kind: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=rf"pip install 'panglot\[{extra}\]'"):
        load_model(f"{kind}:org/name")


def test_a_folders_revision_follows_its_files(sparse: str, late: str) -> None:
    from panglot.encode.checkpoints.revision import folder_revision, hub_revision

    assert load_model(f"sparse:{sparse}").card.revision == folder_revision(Path(sparse)) != folder_revision(Path(late))
    assert hub_revision("org/name") == "unknown"


@takes("precision")
class Shouts:
    """What somebody's package might bring."""

    def __init__(self, name: str, options: Options) -> None:
        self.card = ModelCard(name=f"shout:{name}", revision="1", library="shout 1", precision=options.precision)

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        return np.array([[text.count("e") + 1.0, len(text) + 1.0] for text in texts])


def test_packages_may_bring_kinds_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [
        EntryPoint("shout", f"{__name__}:Shouts", "panglot.encoders"),
        EntryPoint("random", f"{__name__}:Shouts", "panglot.encoders"),
        EntryPoint("vectors", f"{__name__}:Shouts", "panglot.encoders"),
        EntryPoint("broken", "nothing_of_that_name:load", "panglot.encoders"),
    ]

    def entry_points(group: str, name: str | None = None) -> list[EntryPoint]:
        return [entry for entry in offered if entry.group == group and name in (None, entry.name)]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    card = load_model("shout:loud", Options(precision="bf16")).card
    assert (card.name, card.precision) == ("shout:loud", "bf16")
    assert _scores("shout:loud")["mono"] < 0.5
    assert load_model("random").card.name == "random"
    with pytest.raises(BadEncoder, match=r"no \.npz file found"):
        load_model("vectors:nowhere")
    with pytest.raises(
        BadEncoder, match=r"'broken:' is registered by .*nothing_of_that_name:load cannot be imported\. Module"
    ):
        load_model("broken:x")
    listed = CliRunner().invoke(app, ["models", "--json"])
    assert {"shout:…", "broken:…"} <= {kind["example"] for kind in json.loads(listed.output)}


def test_a_card_written_later_is_the_same_model(tmp_path: Path) -> None:
    from panglot.encode.checkpoints.revision import folder_revision

    (tmp_path / "weights").write_bytes(b"1")
    before = folder_revision(tmp_path)
    (tmp_path / "README.md").write_text("Scores", encoding="utf-8")
    assert folder_revision(tmp_path) == before
    (tmp_path / "weights").write_bytes(b"2")
    assert folder_revision(tmp_path) != before
