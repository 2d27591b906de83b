"""Translate-train with an M2M-100 of random weights: everything but the quality of its translations is real."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch

from panglot.errors import BadEncoder
from panglot.train.data.read import text_entries
from panglot.train.data.translate import load_translator
from panglot.train.recipes.recipe import TextData

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


@pytest.fixture(scope="module")
def m2m(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import sentencepiece
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    folder = tmp_path_factory.mktemp("m2m")
    pieces = io.BytesIO()
    lines = iter(["who is the keeper of bees", "wer ist der hüter der bienen"] * 20)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=pieces, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    (folder / "pieces.model").write_bytes(pieces.getvalue())
    known = sentencepiece.SentencePieceProcessor(model_proto=pieces.getvalue())
    learnt = [known.id_to_piece(place) for place in range(known.get_piece_size())]
    words = [*SPECIAL, *(piece for piece in learnt if piece not in SPECIAL)]
    vocabulary = folder / "words.json"
    vocabulary.write_text(json.dumps({word: place for place, word in enumerate(words)}), encoding="utf-8")
    tokenizer = M2M100Tokenizer(str(vocabulary), str(folder / "pieces.model"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 512}
    config = M2M100Config(vocab_size=max(tokenizer.lang_code_to_id.values()) + 1, init_std=0.5, **sizes, **heads)
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def test_a_data_set_is_translated_by_a_model_of_transformers(
    m2m: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr("panglot.train.data.translate.cache_dir", lambda *parts: tmp_path / "cache")
    rows = [{"query": "who", "passage": "the keeper"}, {"query": "what", "passage": "bees"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    data = TextData(
        name="own",
        source=str(tmp_path / "rows.parquet"),
        only_language="en",
        translate_to=("de",),
        translator=str(m2m),
    )
    found = list(text_entries(data, ("de", "en")))
    assert [(entry.group, entry.language) for entry in found] == [("1", "en"), ("2", "en"), ("1", "de"), ("2", "de")]
    translate = load_translator(str(m2m))
    assert [found[2].query, found[2].passage] == translate(["who", "the keeper"], "en", "de")
    assert translate(["who"], "en", "de") != translate(["who"], "en", "zh")
    assert list(text_entries(data, ("de", "en"))) == found


def test_unsupported_translations_are_reported(m2m: Path, tmp_path: Path) -> None:
    with pytest.raises(BadEncoder, match="does not support the language 'tlh'"):
        load_translator(str(m2m))(["who"], "en", "tlh")
    with pytest.raises(BadEncoder, match="cannot be loaded"):
        load_translator(str(tmp_path))
