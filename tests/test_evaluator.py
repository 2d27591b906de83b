"""`PanglotEvaluator` in the trainer of sentence-transformers: what it returns, logs and writes, and what it selects."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
    SparseEncoder,
)
from sentence_transformers.base.evaluation import SequentialEvaluator
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from transformers import TrainerCallback

import panglot
from panglot.data.pool import Pool
from panglot.data.readers.captions import text_to_image
from panglot.encode.cache import VECTORS
from panglot.encode.load import load_model
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder, PanglotError, UnknownName
from panglot.files import cache_dir
from panglot.interop.evaluator import PanglotEvaluator
from panglot.retrieve.ranking import collect_evidence
from panglot.score.summary import score_evidence
from tests.helpers.images import image_text
from tests.helpers.processes import python
from tests.helpers.tasks import TASKS

LANGUAGES = ["de", "en"]
MULTI = "starter.de-en_multi_map"
DAMAGED_AT = 4


@pytest.fixture
def model(starter: Pool) -> SentenceTransformer:
    """Random vectors of words, added up: a model that learns in seconds."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    split = pre_tokenizers.Whitespace().pre_tokenize_str
    texts = [*starter.queries.texts, *starter.candidates.texts]
    words = sorted({word.lower() for text in texts for word, _ in split(text)})
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(["[UNK]", *words])}, "[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu")


@pytest.fixture
def pairs(starter: Pool) -> Dataset:
    """Questions and their answers, in German and English both."""
    chosen = [starter.languages.index(language) for language in LANGUAGES]
    rows = [
        (starter.queries.texts[query], starter.candidates.texts[candidate])
        for query, candidate in zip(starter.query.tolist(), starter.candidate.tolist(), strict=True)
        if starter.queries.language[query] in chosen and starter.candidates.language[candidate] in chosen
    ]
    questions, answers = zip(*rows, strict=True)
    return Dataset.from_dict({"question": questions, "answer": answers})


class Damage(TrainerCallback):
    """Spoils the weights after some steps, so that the best checkpoint is not the last."""

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == DAMAGED_AT:
            with torch.no_grad():
                for weight in model.parameters():
                    weight.copy_(torch.randn_like(weight))


def test_training_keeps_the_checkpoint_with_the_best_multi_score(
    model: SentenceTransformer, pairs: Dataset, tmp_path: Path
) -> None:
    evaluator = panglot.PanglotEvaluator("starter", languages=LANGUAGES)
    before = evaluator(model)[evaluator.primary_metric]
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        max_steps=6,
        per_device_train_batch_size=64,
        learning_rate=0.5,
        lr_scheduler_type="constant",
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        logging_steps=1,
        metric_for_best_model=f"eval_{MULTI}",
        load_best_model_at_end=True,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = SentenceTransformerTrainer(
        model, arguments, pairs, loss=MultipleNegativesRankingLoss(model), evaluator=evaluator, callbacks=[Damage()]
    )
    trainer.train()

    with (tmp_path / "eval" / evaluator.csv_file).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = {int(row["steps"]): float(row["multi_map"]) for row in rows}
    best = max(scores, key=lambda step: scores[step])
    assert list(scores) == [1, 2, 3, 4, 5, 6]
    assert best < DAMAGED_AT
    assert scores[best] > before + 0.2
    assert Path(trainer.state.best_model_checkpoint or "").name == f"checkpoint-{best}"
    assert evaluator(model)[MULTI] == pytest.approx(scores[best], abs=1e-6)

    logged = [entry for entry in trainer.state.log_history if f"eval_{MULTI}" in entry]
    assert [entry[f"eval_{MULTI}"] for entry in logged] == list(scores.values())
    assert all(entry[f"eval_{MULTI}_low"] <= entry[f"eval_{MULTI}"] <= entry[f"eval_{MULTI}_high"] for entry in logged)

    model.save_pretrained(str(tmp_path / "final"))
    card = (tmp_path / "final" / "README.md").read_text(encoding="utf-8")
    for name in ("mono_map", "cross_map", "balance_map", "multi_map_low", "multi_map_high", "rank_distance"):
        assert f"| {name} " in card
    assert "| **multi_map** " in card
    assert '"fingerprint": "' in card


def test_scores_are_those_of_a_run(model: SentenceTransformer, tmp_path: Path) -> None:
    evaluator = PanglotEvaluator("starter", LANGUAGES)
    metrics = evaluator(model)
    model.save_pretrained(str(tmp_path / "model"))
    result = panglot.run(tmp_path / "model", "starter", languages=LANGUAGES, no_cache=True)
    for setting in ("mono", "cross", "multi", "balance"):
        score = result.scores[setting]["map"]
        found = [metrics[f"starter.de-en_{setting}_map{end}"] for end in ("", "_low", "_high")]
        assert found == pytest.approx([*score], abs=1e-6)
    for measure in ("rank_distance", "normalised_rank_distance", "same_language_ratio@10"):
        assert metrics[f"starter.de-en_{measure}"] == pytest.approx(result.bias[measure].value, abs=1e-6)
    assert evaluator.primary_metric == MULTI
    assert evaluator.greater_is_better


def test_scores_are_returned_logged_and_not_cached(
    model: SentenceTransformer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_dir(VECTORS)
    before = sorted(cache.glob("*")) if cache.is_dir() else []
    evaluator = PanglotEvaluator("starter", LANGUAGES, name="mine", primary="balance", truncate_dim=8, write_csv=False)
    with caplog.at_level(logging.INFO, "panglot.interop.evaluator"):
        metrics = evaluator(model, str(tmp_path))
    assert evaluator.primary_metric == "mine_balance_map"
    assert all(key.startswith("mine_") for key in metrics)
    assert any(message.startswith("mine multi_map: ") for message in caplog.messages)
    assert not list(tmp_path.iterdir())
    assert (sorted(cache.glob("*")) if cache.is_dir() else []) == before
    assert evaluator.get_config_dict()["truncate_dim"] == 8
    assert metrics != PanglotEvaluator("starter", "de, en", name="mine")(model)


@pytest.mark.parametrize("name", ["dev/xquad", "../up", "a b", "x" * 300, "Ünï", ".."])
def test_any_name_makes_a_file_in_the_folder(model: SentenceTransformer, tmp_path: Path, name: str) -> None:
    evaluator = PanglotEvaluator("starter", LANGUAGES, name=name)
    evaluator._append(tmp_path / "eval", {"epoch": 1, "multi_map": 0.5})
    assert [path.parent for path in tmp_path.rglob("*.csv")] == [tmp_path / "eval"]
    assert evaluator.primary_metric == f"{name}_multi_map"


def test_evaluators_of_one_name_write_rows_that_can_be_told_apart(model: SentenceTransformer, tmp_path: Path) -> None:
    parts = [PanglotEvaluator("starter", chosen, name="dev") for chosen in ("de,en", "es,en")]
    parts.append(PanglotEvaluator("starter", "de,en", name="dev", truncate_dim=8))
    for step in (1, 2):
        for part in parts:
            part(model, str(tmp_path), steps=step)
    files = {path.name: list(csv.DictReader(path.read_text("utf-8").splitlines())) for path in tmp_path.iterdir()}
    assert sorted(files) == ["Panglot_evaluation_dev-2_results.csv", "Panglot_evaluation_dev_results.csv"]
    assert not [row for rows in files.values() for row in rows if None in row or None in row.values()]
    rows = [(row["steps"], row["languages"]) for row in files["Panglot_evaluation_dev_results.csv"]]
    assert rows == [("1", "de en"), ("1", "en es"), ("2", "de en"), ("2", "en es")]


@pytest.mark.parametrize("option", ["truncate_dim", "batch_size"])
@pytest.mark.parametrize("number", [0, -1])
def test_number_below_one_is_refused(option: str, number: int) -> None:
    with pytest.raises(PanglotError, match=f"{option} is {number}. It must be at least 1"):
        PanglotEvaluator("starter", LANGUAGES, **{option: number})  # type: ignore[arg-type]


def test_more_dimensions_than_the_model_has_are_refused(model: SentenceTransformer) -> None:
    with pytest.raises(BadEncoder, match="truncate_dim is 17, but the model's vectors have 16 dimensions"):
        PanglotEvaluator("starter", LANGUAGES, truncate_dim=17)(model)


def test_several_evaluators_run_in_sequence(model: SentenceTransformer) -> None:
    parts = [PanglotEvaluator("starter", languages, name=name) for name, languages in (("a", "de,en"), ("b", "es,en"))]
    metrics = SequentialEvaluator(parts, main_score_function=lambda scores: scores[0])(model)
    assert metrics["sequential_score"] == metrics["a_multi_map"] != metrics["b_multi_map"]


def test_own_folder_is_a_task(model: SentenceTransformer, tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    folder.mkdir()
    rows = {
        "corpus.jsonl": '{"_id": "d1", "text": "Hund", "lang": "de"}\n{"_id": "d2", "text": "dog", "lang": "en"}\n',
        "queries.jsonl": '{"_id": "q1", "text": "Hund", "lang": "de"}\n{"_id": "q2", "text": "dog", "lang": "en"}\n',
        "qrels.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t1\nq2\td1\t1\nq2\td2\t1\n",
    }
    for name, text in rows.items():
        (folder / name).write_text(text, encoding="utf-8")
    evaluator = PanglotEvaluator(folder)
    metrics = evaluator(model)
    assert metrics[evaluator.primary_metric] == 1
    assert not [key for key in metrics if key.endswith("_low")]  # two clusters have no interval


def test_models_with_images_are_scored_on_images(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = text_to_image(image_text(6, ("de", "en")))
    monkeypatch.setattr("panglot.interop.evaluator.read_pool", lambda *_: pool)
    task, seeing = TASKS["emoji-t2i"], SentenceTransformer(str(clip), device="cpu")
    expected = score_evidence(collect_evidence(pool, score_pool(load_model(str(clip)), pool).scores), task.headline)
    metrics = PanglotEvaluator(task, name="emoji")(seeing)
    multi = expected.settings["multi"][task.headline].value
    assert metrics[f"emoji_multi_{task.headline}"] == pytest.approx(multi)
    with pytest.raises(PanglotError, match=f"no score mono_{task.headline}. Set `primary` to one of multi"):
        PanglotEvaluator(task, primary="mono")(seeing)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("no-such-task",), UnknownName, "no-such-task"),
        (("starter", ["xx"]), UnknownName, "xx"),
        (("miracl",), PanglotError, "streams"),
    ],
)
def test_task_that_cannot_be_scored_is_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        PanglotEvaluator(*arguments)


def test_unknown_primary_setting_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"mult'\. Did you mean multi"):
        PanglotEvaluator(primary="mult")  # type: ignore[arg-type]


def test_model_that_is_not_a_sentence_transformer_is_refused(model: SentenceTransformer) -> None:
    evaluator = PanglotEvaluator("starter", LANGUAGES)
    with pytest.raises(BadEncoder, match="not a SparseEncoder"):
        evaluator(SparseEncoder.__new__(SparseEncoder))
    model.similarity_fn_name = "euclidean"
    with pytest.raises(BadEncoder, match="euclidean"):
        evaluator(model)


def test_missing_library_is_named_when_the_evaluator_is_asked_for() -> None:
    code = (
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'sentence_transformers' else find(name, *rest)\n"
        "import panglot.errors\n"
        "panglot.errors.find_spec = u.find_spec\n"
        "import panglot\n"
        "try:\n    panglot.PanglotEvaluator\n"
        "except panglot.PanglotError as error:\n    print(error)\n"
    )
    assert "pip install 'panglot[st]'" in python(code).stdout
