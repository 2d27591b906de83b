"""What a GPU gains, in one table: `python benchmarks/gpu.py`, in less than six minutes.

Needs torch, transformers, sentence-transformers, numpy and pydantic, but no network, data or weights: the model has the
shape of XLM-R large with random weights, and the pools have the shapes of XQuAD-R and Belebele. Without a GPU, or with
`--tiny`, everything is small; that only shows that the script works. Rows that cannot be measured say why.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "suite"), str(ROOT)]

import numpy as np  # noqa: E402 - the path comes first
import sentence_transformers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from panglot.arrays import Floats, to_unit_length  # noqa: E402
from panglot.data.pool import Items, Pool  # noqa: E402
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder  # noqa: E402
from panglot.encode.load import load_model  # noqa: E402
from panglot.encode.options import Options  # noqa: E402
from panglot.encode.scoring import score_pool  # noqa: E402
from panglot.retrieve.device import product, rows_at_a_time  # noqa: E402
from panglot.retrieve.evidence import Evidence  # noqa: E402
from panglot.retrieve.ranking import collect_evidence  # noqa: E402
from panglot.retrieve.similarity import DenseScores  # noqa: E402
from panglot.score.metrics import parse_metric  # noqa: E402
from panglot.score.summary import score_evidence  # noqa: E402

CLOSE = 1e-6
"""Scores of unit vectors that differ by less may change places between two libraries."""


LEAST_SECONDS = 30
"""Time that a part of the table must have left to begin, and that repetitions leave to the parts after them."""


class Size(NamedTuple):
    """The model's shape, and languages, questions and passages per language of two pools."""

    hidden: int
    layers: int
    xquad: tuple[int, int, int]
    belebele: tuple[int, int, int]
    dimension: int
    """Dimension of the vectors of the second pool."""
    batches: tuple[int, ...]
    """Batch sizes of plain `encode`; the first is its default."""


FULL = Size(1024, 24, (11, 1190, 1183), (122, 900, 488), 1024, (32, 128, 512, 1024))
TINY = Size(32, 2, (11, 20, 24), (40, 20, 12), 64, (32, 64))


class Row(NamedTuple):
    """A line of the table."""

    measurement: str
    figure: str
    goal: str = ""

    def __str__(self) -> str:
        return f"| {self.measurement} | {self.figure} | {self.goal or '–'} |"


class Clock:
    """Wall-clock seconds on a device; the seconds left until a deadline."""

    def __init__(self, device: str, minutes: float) -> None:
        self._cuda, self._end = device.startswith("cuda"), time.monotonic() + 60 * minutes

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self._end - time.monotonic()

    def seconds(self, call: Callable[[], Any], times: int = 1) -> tuple[float, Any]:
        """Return the shortest time of some calls, including what the device still had to do, and the last value."""
        took, value = [], None
        for _ in range(times):
            self._wait()
            start = time.perf_counter()
            value = call()
            self._wait()
            took.append(time.perf_counter() - start)
        return min(took), value

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()


def parallel_pool(languages: int, questions: int, passages: int) -> Pool:
    """Every question and passage in every language; question n is answered by passage n modulo their number."""
    random = np.random.default_rng(1)
    words = np.array(
        ["".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), n)) for n in random.integers(2, 9, 8000)]
    )
    names = tuple(f"l{number:03}" for number in range(languages))

    def items(kind: str, count: int, length: float) -> Items:
        lengths = np.clip(random.lognormal(np.log(length), 0.5, languages * count), 3, 200).astype(int)
        texts = tuple(" ".join(random.choice(words, size)) for size in lengths.tolist())
        ids = tuple(f"{name}:{kind}{number}" for name in names for number in range(count))
        return Items(ids, texts, np.repeat(np.arange(languages, dtype=np.int16), count))

    asked, offered = items("q", questions, 11), items("c", passages, 22)
    number = np.tile(np.arange(questions), languages)
    candidate = (number % passages)[:, None] + passages * np.arange(languages)
    return Pool(
        languages=names,
        queries=asked,
        candidates=offered,
        groups=tuple(map(str, number.tolist())),
        clusters=tuple(map(str, (number % passages).tolist())),
        query=np.repeat(np.arange(len(asked), dtype=np.int32), languages),
        candidate=candidate.ravel().astype(np.int32),
        gain=np.ones(candidate.size),
        excluded=np.empty(0, np.int32),
    )


def planted_vectors(pool: Pool, dimension: int) -> DenseScores:
    """Vectors near those of the same passage and of the same language."""
    random = np.random.default_rng(2)
    passages = len(pool.candidates) // len(pool.languages)
    by_passage, by_language = (
        random.standard_normal((n, dimension), np.float32) for n in (passages, len(pool.languages))
    )
    made = []
    for items, count in ((pool.queries, len(pool.queries) // len(pool.languages)), (pool.candidates, passages)):
        vectors = random.standard_normal((len(items), dimension), np.float32)
        vectors += by_passage[np.arange(len(items)) % count % passages] + by_language[items.language]
        to_unit_length(vectors)
        made.append(vectors)
    return DenseScores(*made)


def make_model(folder: Path, size: Size, texts: list[str], dtype: torch.dtype) -> Path:
    """A model of sentence-transformers with random weights, and a tokenizer trained on some texts."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    words = Tokenizer(models.BPE(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=4000, special_tokens=special, show_progress=False))
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
        model_max_length=512,
    ).save_pretrained(folder / "bare")  # fmt: skip
    config = transformers.XLMRobertaConfig(
        vocab_size=words.get_vocab_size(), hidden_size=size.hidden, num_hidden_layers=size.layers,
        num_attention_heads=max(1, size.hidden // 64), intermediate_size=4 * size.hidden, max_position_embeddings=514,
    )  # fmt: skip
    transformers.XLMRobertaModel(config).to(dtype).save_pretrained(folder / "bare")
    transformer = Transformer(str(folder / "bare"), model_kwargs={"dtype": dtype})
    whole = sentence_transformers.SentenceTransformer(modules=[transformer, Pooling(size.hidden, "mean")], device="cpu")
    whole.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


def encoding(size: Size, device: str, clock: Clock, pool: Pool) -> Iterator[Row]:
    """Encode the pool of XQuAD-R's shape, plainly and with the suite; then the whole run."""
    texts = sorted({*pool.queries.texts, *pool.candidates.texts})
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    with TemporaryDirectory() as folder:
        path = make_model(Path(folder), size, texts[:5000], dtype)
        ours = load_model(f"st:{path}", Options(device=device))
        plain = sentence_transformers.SentenceTransformer(str(path), device=device, model_kwargs={"dtype": dtype})
    assert isinstance(ours, SentenceTransformerEncoder)
    ours.encode(texts[:8], "query")
    plain.encode(texts[:8], show_progress_bar=False)
    took, scored = clock.seconds(lambda: score_pool(ours, pool))
    encoded = scored.queries.texts + scored.candidates.texts
    rate = encoded / took
    millions = (ours.card.parameters or 0) / 1e6
    facts = f"{ours.card.precision}, {millions:,.0f} M parameters, batches of {ours.budget.tokens:,} tokens"
    yield Row(f"Panglot encodes {encoded:,} texts ({facts})", f"{took:.1f} s, {rate:,.0f} texts/s")
    best = 0.0
    for batch in size.batches:
        if clock.left < 4 * LEAST_SECONDS:
            yield Row(f"plain `encode`, batch {batch}", "not measured: no time left")
            continue
        seconds, _ = clock.seconds(lambda: plain.encode(texts, batch_size=batch, show_progress_bar=False))  # noqa: B023
        best = max(best, len(texts) / seconds)
        compared = f"Panglot {rate * seconds / len(texts):.2f} ×"
        yield Row(f"plain `encode`, batch {batch}", f"{seconds:.1f} s, {len(texts) / seconds:,.0f} texts/s; {compared}")
    yield Row("Panglot's rate ÷ plain `encode` at its best batch", f"{rate / best:.2f}" if best else "not measured")
    rest, _ = clock.seconds(lambda: score_evidence(collect_evidence(pool, scored.scores, device=device), "map"))
    yield Row(
        "whole run (encoding, ranking on the device, all scores with intervals) ÷ encoding alone",
        f"{(took + rest) / took:.2f} ({rest:.1f} s more; files and start not included)",
        "≤ 1.15",
    )


def against_mteb() -> Iterator[Row]:
    """The peer is measured by `benchmarks/test_against_mteb.py` on a processor."""
    reason = "mteb is not installed" if find_spec("mteb") is None else "run benchmarks/test_against_mteb.py"
    yield Row("Panglot against mteb with its cache", f"not measured: {reason}", "≥ 5 ×")


def agreement(device: str, pool: Pool, dimension: int) -> Iterator[Row]:
    """The same vectors ranked on the processor and on the device."""
    scores = planted_vectors(pool, dimension)
    here, there = collect_evidence(pool, scores), collect_evidence(pool, scores, device=device)
    changed = np.flatnonzero((here.above != there.above).any(axis=1))
    unexplained = sum(_is_unexplained(scores, here, there, pair) for pair in changed.tolist())
    gap = np.abs(_map(here) - _map(there)).max()
    yield Row(
        "counts that differ from the processor's", f"{(here.above != there.above).sum():,} of {here.above.size:,}"
    )
    yield Row(f"of these, not explained by scores closer than {CLOSE:g}", f"{unexplained:,}", "0")
    yield Row("places of the top lists that differ", f"{(here.top != there.top).sum():,} of {here.top.size:,}")
    yield Row("largest difference in a query's average precision; in the mean", f"{gap:.1e}; "
              f"{abs(np.nanmean(_map(here)) - np.nanmean(_map(there))):.1e}", "mean ≤ 1e-6")  # fmt: skip


def _map(evidence: Evidence) -> Floats:
    return parse_metric("map").compute(evidence.together)


def _is_unexplained(scores: DenseScores, here: Evidence, there: Evidence, pair: int) -> bool:
    """Whether a pair's counts differ by more candidates than have nearly its score."""
    query = int(here.query[pair])
    close = np.abs(scores.block(query, query + 1)[0] - here.score[pair]) < CLOSE
    return bool(np.abs(here.above[pair] - there.above[pair]).max() > close.sum())


def ranking(size: Size, device: str, clock: Clock) -> Iterator[Row]:
    """A pool of Belebele's shape, on the device, against the bare product in the same blocks."""
    pool = parallel_pool(*size.belebele)
    scores = planted_vectors(pool, size.dimension)
    (pool.sizes, pool.group, pool.cluster)  # noqa: B018 - computed once and kept
    queries, candidates = (torch.from_numpy(part).to(device) for part in (scores.queries, scores.candidates))
    rows = rows_at_a_time(len(candidates) + len(pool.languages) ** 2, device)

    def bare() -> None:
        for start in range(0, len(queries), rows):
            product(queries[start : start + rows], candidates)

    bare()
    alone, _ = clock.seconds(bare, 3)
    whole, _ = clock.seconds(lambda: collect_evidence(pool, scores, device=device), 2)
    shape = f"{len(pool.queries):,} × {len(pool.candidates):,} × {size.dimension}"
    yield Row(
        f"ranking {shape} ÷ bare float32 product", f"{whole / alone:.2f} ({whole:.2f} s ÷ {alone:.2f} s)", "≤ 1.3"
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure and print the table, row by row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="small sizes, as without a GPU")
    parser.add_argument("--minutes", type=float, default=6, help="rows for which no time is left are not measured")
    given = parser.parse_args(arguments)
    on_gpu = given.device.startswith("cuda")
    size, clock = (TINY if given.tiny or not on_gpu else FULL), Clock(given.device, given.minutes)
    name = torch.cuda.get_device_name(given.device) if on_gpu else "a processor in place of a GPU"
    print(f"{name}, torch {torch.__version__}, transformers {transformers.__version__}, "
          f"sentence-transformers {sentence_transformers.__version__}")  # fmt: skip
    if size is TINY:
        print("The sizes are tiny: the table shows that the script works, its figures mean nothing.")
    print("\n| measurement | figure | goal |\n|---|---|---|", flush=True)
    pool = parallel_pool(*size.xquad)
    parts = {
        "encoding": encoding(size, given.device, clock, pool),
        "agreement with the processor": agreement(given.device, pool, size.dimension),
        "ranking": ranking(size, given.device, clock),
        "mteb": against_mteb(),
    }
    for name, rows in parts.items():
        if clock.left < LEAST_SECONDS:
            print(Row(name, "not measured: no time left"), flush=True)
            continue
        for row in rows:
            print(row, flush=True)


if __name__ == "__main__":
    main()
