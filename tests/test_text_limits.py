"""Where texts are cut, for each role, and how batches are padded: found out when a model is loaded."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panglot.data.pool import Candidate, Judgement, Pool, Query
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder
from panglot.encode.load import load_model
from panglot.encode.model import cut_at
from panglot.encode.options import Options
from panglot.errors import BadEncoder
from panglot.evaluate.run import run
from tests.helpers.tasks import TASKS
from tests.helpers.tiny import WORDS, bare, change_json, saved

LONG = "a b c d " * 12
"""48 tokens, 50 with those around it."""


def load(name: Path | str, **options: Any) -> SentenceTransformerEncoder:
    model = load_model(str(name), Options(**({"device": "cpu"} | options)))
    assert isinstance(model, SentenceTransformerEncoder)
    return model


@pytest.mark.parametrize(
    ("model", "config", "places"),
    [
        ("Bert", {"max_position_embeddings": 20}, 20),
        ("Roberta", {"max_position_embeddings": 20, "pad_token_id": 1}, 18),
        ("XLMRoberta", {"max_position_embeddings": 20, "pad_token_id": 0}, 19),
        ("MPNet", {"max_position_embeddings": 20, "pad_token_id": 1}, 18),
    ],
)
def test_texts_are_cut_where_learned_positions_end(
    tmp_path: Path, model: str, config: dict[str, Any], places: int
) -> None:
    name = f"hf:{bare(tmp_path, model, **config)}?pooling=mean"
    encoder = load(name)
    assert encoder.card.max_length == places
    kept = " ".join(LONG.split()[: places - 2])
    assert encoder.encode([LONG], "query") == pytest.approx(encoder.encode([kept], "query"), abs=1e-5)
    assert load(name, max_length=places).card.max_length == places
    with pytest.raises(BadEncoder, match=f"--max-length {places + 1}: .* supports 1 to {places} tokens"):
        load(name, max_length=places + 1)


@pytest.mark.parametrize("late", ["query_length", "document_length"])
def test_late_models_are_cut_where_positions_end(tmp_path: Path, late: str) -> None:
    from sentence_transformers import MultiVectorEncoder

    folder = bare(tmp_path / "bert", max_position_embeddings=20)
    MultiVectorEncoder(str(folder)).save_pretrained(str(tmp_path / "late"))
    change_json(tmp_path / "late" / "sentence_bert_config.json", **{late: 40})
    card = load_model(f"late:{tmp_path / 'late'}").card
    assert f"Its {late} is 40, but it has 20 positions: texts are cut there." in card.note
    with pytest.raises(BadEncoder, match=r"--max-length 21: .* supports 1 to 20 tokens"):
        load_model(f"late:{tmp_path / 'late'}", Options(max_length=21))


@pytest.mark.parametrize(
    ("stated", "cut", "note"),
    [
        (None, 20, ""),
        (7, 7, ""),
        (40, 20, "Its max_seq_length is 40, but it has 20 positions: texts are cut there."),
    ],
)
def test_a_stated_length_holds_as_far_as_there_are_positions(
    tmp_path: Path, stated: int | None, cut: int, note: str
) -> None:
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = Transformer(str(bare(tmp_path / "bert", max_position_embeddings=20)))
    folder = saved(tmp_path / "saved", transformer, Pooling(16))
    change_json(folder / "tokenizer_config.json", model_max_length=1000)
    change_json(folder / "sentence_bert_config.json", max_seq_length=stated)
    encoder = load(folder)
    assert (encoder.card.max_length, encoder.card.note) == (cut, note)
    assert encoder.encode([LONG], "query").shape == (1, 16)


@pytest.mark.parametrize(
    ("stated", "query", "passage"),
    [
        ({"query_length": 5, "document_length": 9}, 5, 9),
        ({"document_length": 40}, 20, 20),
        ({"processing_kwargs": {"text": {"max_length": 6}}}, 6, 6),
        ({"processing_kwargs": {"text": {"max_length": 40}}}, 20, 20),
    ],
)
def test_length_stated_elsewhere_is_found(tmp_path: Path, stated: dict[str, Any], query: int, passage: int) -> None:
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = Transformer(str(bare(tmp_path / "bert", max_position_embeddings=20)))
    folder = saved(tmp_path / "saved", transformer, Pooling(16))
    change_json(folder / "sentence_bert_config.json", **stated)
    encoder, short = load(folder), load(folder, max_length=4)
    assert [cut_at(encoder, role) for role in ("query", "passage")] == [query, passage]
    assert [cut_at(short, role) for role in ("query", "passage")] == [4, 4]
    for model, role in itertools.product((encoder, short), ("query", "passage")):
        kept = " ".join(LONG.split()[: (cut_at(model, role) or 0) - 2])
        assert model.encode([LONG], role) == pytest.approx(model.encode([kept], role), abs=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("Bert", {}),
        ("Roberta", {}),
        ("GPT2", {"n_embd": 16, "n_layer": 1, "n_head": 2, "bos_token_id": 2, "eos_token_id": 3}),
    ],
)
def test_learned_positions_do_not_move_with_padding(
    tmp_path: Path, model: str, config: dict[str, Any], side: str
) -> None:
    folder = bare(tmp_path, model, **config)
    change_json(folder / "tokenizer_config.json", padding_side=side)
    encoder = load(f"hf:{folder}?pooling=last")
    together = encoder.encode(["a", "a b c d"], "query")
    assert together[:1] == pytest.approx(encoder.encode(["a"], "query"), abs=1e-5)


def test_models_without_learned_positions_keep_their_length(tmp_path: Path) -> None:
    folder = bare(tmp_path, "Llama", max_position_embeddings=20)
    change_json(folder / "tokenizer_config.json", model_max_length=16)
    assert load(f"hf:{folder}?pooling=mean").card.max_length == 16


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_last_token_is_pooled_with_any_padding(tmp_path: Path, side: str) -> None:
    """Also where there is no padding token: that which ends a text pads it."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    folder = bare(tmp_path / "llama", "Llama", "$A </s>", pad=False)
    change_json(folder / "tokenizer_config.json", padding_side=side)
    encoder = load(saved(tmp_path / "saved", Transformer(str(folder)), Pooling(16, "lasttoken")))
    texts = ["a b c d", "a", "b c"]
    alone = np.concatenate([encoder.encode([text], "query") for text in texts])
    assert encoder.encode(texts, "query") == pytest.approx(alone, abs=1e-5)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Ways for texts: two transformers that cut at 8 and at 16 tokens, and static embeddings that do not."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    short, long = (
        Transformer(
            str(bare(tmp_path_factory.mktemp("bert"), template=template)),
            processor_kwargs={"model_max_length": cut},
        )
        for cut, template in ((8, "$A"), (16, "<s> $A </s>"))
    )
    return {
        "short": [short, Pooling(16)],
        "long": [long, Pooling(16)],
        "static": [StaticEmbedding(words, None, 16)],
    }


class TestRouter:
    @staticmethod
    def save(folder: Path, query: list[Any], document: list[Any]) -> Path:
        from sentence_transformers.base.modules import Router

        return saved(folder, Router.for_query_document(query, document))

    def test_each_role_has_its_own_limit_and_tokens(self, parts: dict[str, list[Any]], tmp_path: Path) -> None:
        encoder = load(self.save(tmp_path, parts["short"], parts["long"]))
        assert [cut_at(encoder, role) for role in ("query", "passage")] == [8, 16]
        assert encoder.count_tokens([LONG], "query").tolist() == [48]
        assert encoder.count_tokens([LONG], "passage").tolist() == [50]
        assert encoder.card.max_length == 16
        assert encoder.card.note == "Queries are cut at 8 tokens, passages at 16 tokens."

    def test_static_queries_are_cut_nowhere(self, parts: dict[str, list[Any]], tmp_path: Path) -> None:
        encoder = load(self.save(tmp_path, parts["static"], parts["long"]))
        assert [cut_at(encoder, role) for role in ("query", "passage")] == [None, 16]
        assert encoder.card.note == "Queries are cut nowhere, passages at 16 tokens."
        assert cut_at(load(tmp_path, max_length=5), "passage") == 5

    def test_a_length_holds_for_both(self, parts: dict[str, list[Any]], tmp_path: Path) -> None:
        encoder = load(self.save(tmp_path, parts["short"], parts["long"]), max_length=6)
        assert [cut_at(encoder, role) for role in ("query", "passage")] == [6, 6]
        assert encoder.card.note == ""

    def test_a_role_without_a_route_is_refused(self, parts: dict[str, list[Any]], tmp_path: Path) -> None:
        from sentence_transformers.base.modules import Router

        folder = saved(tmp_path, Router({"code": parts["short"]}, allow_empty_key=False))
        with pytest.raises(BadEncoder, match="has no route for a query: No route found for task type 'query'"):
            load(folder)

    def test_a_run_counts_what_is_cut_on_each_side(
        self, parts: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        twelve = " ".join(LONG.split()[:12])
        pool = Pool.of(
            ("en",),
            [Query("q1", twelve, "en", "1"), Query("q2", "a b", "en", "2")],
            [Candidate("c1", twelve, "en"), Candidate("c2", LONG, "en")],
            [Judgement("q1", "c1"), Judgement("q2", "c2")],
        )
        monkeypatch.setattr("panglot.evaluate.run.read_pool", lambda *_: pool)
        record = run(TASKS["starter"], load(self.save(tmp_path, parts["short"], parts["long"]))).record.run.encoding
        assert record is not None
        assert record.queries["en"]["truncated"] == 0.5
        assert record.candidates["en"]["truncated"] == 0.5
