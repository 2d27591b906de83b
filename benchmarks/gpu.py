"""What a GPU gains, in one table: `python benchmarks/gpu.py`, in less than six minutes.

Needs torch, transformers and sentence-transformers, which bring numpy and pydantic, but no network, data or weights.
Panglot need not be installed. The model has the shape of XLM-R large with random weights, and the pools have those of
XQuAD-R and Belebele. Without a GPU, or with `--tiny`, everything is small; that only shows that the script works. Rows
that cannot be measured say why. A part that fails leaves its traceback on standard error, and the others go on.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
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

if tuple(map(int, sentence_transformers.__version__.split(".")[:2])) < (5, 4):
    sys.exit(f"sentence-transformers 5.4 or later is needed; {sentence_transformers.__version__} is installed.")

from panglot.arrays import Floats, to_unit_length  # noqa: E402
from panglot.data.pool import Items, Pool  # noqa: E402
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder  # noqa: E402
from panglot.encode.load import load_model  # noqa: E402
from panglot.encode.options import Options  # noqa: E402
from panglot.encode.scoring import score_pool  # noqa: E402
from panglot.retrieve.device import STEPS, product, rows_at_a_time  # noqa: E402
from panglot.retrieve.evidence import Evidence  # noqa: E402
from panglot.retrieve.ranking import collect_evidence  # noqa: E402
from panglot.retrieve.similarity import DenseScores  # noqa: E402
from panglot.score.metrics import parse_metric  # noqa: E402
from panglot.score.summary import BIAS_NAMES, score_evidence  # noqa: E402

CLOSE = 1e-6
"""Scores of unit vectors that differ by less may change places between two libraries."""

MEASURES = [name for name in BIAS_NAMES if not name.startswith("english_pool")]
"""Measures of language bias; the languages of the pools have no names, so none of them is English."""

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


def all_texts(pool: Pool) -> list[str]:
    """The distinct texts of a pool."""
    return sorted({*pool.queries.texts, *pool.candidates.texts})


def encoding(size: Size, device: str, clock: Clock, pool: Pool, model: Path, dtype: torch.dtype) -> Iterator[Row]:
    """Encode the pool of XQuAD-R's shape, plainly and with the suite; then the whole run."""
    texts = all_texts(pool)
    ours = load_model(f"st:{model}", Options(device=device))
    plain = sentence_transformers.SentenceTransformer(str(model), device=device, model_kwargs={"dtype": dtype})
    assert isinstance(ours, SentenceTransformerEncoder)
    ours.encode(texts[:8], "query")
    plain.encode(texts[:8], show_progress_bar=False)
    took, scored = clock.seconds(lambda: score_pool(ours, pool))
    encoded = scored.queries.texts + scored.candidates.texts
    rate = encoded / took
    millions = (ours.card.parameters or 0) / 1e6
    facts = f"{ours.hardware}, {ours.card.precision}, {millions:,.0f} M parameters"
    yield Row(
        f"Panglot encodes {encoded:,} texts ({facts}, batches of {ours.budget.tokens:,} tokens)",
        f"{took:.1f} s, {rate:,.0f} texts/s",
    )
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

    def finish() -> None:
        score_evidence(collect_evidence(pool, scored.scores, device=device), "map", measures=MEASURES)

    rest, _ = clock.seconds(finish)
    yield Row(
        "whole run (encoding, ranking on the device, all scores with intervals) ÷ encoding alone",
        f"{(took + rest) / took:.2f} ({rest:.1f} s more; files and start not included)",
        "≤ 1.15",
    )


def several_devices(clock: Clock, pool: Pool, model: Path) -> Iterator[Row]:
    """The same texts on one GPU and on all of them, each with a process that has started."""
    measured, count = "encoding on all GPUs ÷ on one, wall clock", torch.cuda.device_count()
    if count < 2:
        yield Row(measured, f"not measured: {count} GPU")
        return
    took = []
    for devices in ("cuda:0", ",".join(f"cuda:{number}" for number in range(count))):
        encoder = load_model(f"st:{model}", Options(device=devices))
        score_pool(encoder, parallel_pool(2, 2000, 2000))  # starts the processes, and finds the size of batches
        took.append(clock.seconds(lambda: score_pool(encoder, pool))[0])  # noqa: B023
    yield Row(measured, f"{took[1] / took[0]:.2f} ({count} GPUs)", f"≤ {1.1 / count:.2f}")


def against_mteb() -> Iterator[Row]:
    """The peer is measured by `benchmarks/test_against_mteb.py` on a processor."""
    reason = "mteb is not installed" if find_spec("mteb") is None else "run benchmarks/test_against_mteb.py"
    yield Row("Panglot against mteb with its cache", f"not measured: {reason}", "≥ 5 ×")


def agreement(device: str, pool: Pool, dimension: int) -> Iterator[Row]:
    """The same vectors ranked on the processor and on the device."""
    scores = planted_vectors(pool, dimension)
    here, there = collect_evidence(pool, scores), collect_evidence(pool, scores, device=device)
    unexplained = sum(_unexplained(scores, here, there))
    gap = np.abs(_map(here) - _map(there)).max()
    yield Row(
        "counts that differ from the processor's", f"{(here.above != there.above).sum():,} of {here.above.size:,}"
    )
    yield Row(f"of these, not explained by scores closer than {CLOSE:g}", f"{unexplained:,}", "0")
    yield Row("pairs of scores closer than rounding, as a run reports them", f"{there.close:,}")
    yield Row("places of the top lists that differ", f"{(here.top != there.top).sum():,} of {here.top.size:,}")
    yield Row("largest difference in a query's average precision; in the mean", f"{gap:.1e}; "
              f"{abs(np.nanmean(_map(here)) - np.nanmean(_map(there))):.1e}", "mean ≤ 1e-6")  # fmt: skip


def _map(evidence: Evidence) -> Floats:
    return parse_metric("map").compute(evidence.together)


def _unexplained(scores: DenseScores, here: Evidence, there: Evidence, rows: int = 512) -> Iterator[int]:
    """Yield how many pairs of some queries have counts that differ by more candidates than have nearly their score."""
    changed = np.flatnonzero((here.above != there.above).any(axis=1))
    for start in range(0, here.queries, rows):
        pairs = changed[(here.query[changed] >= start) & (here.query[changed] < start + rows)]
        block = scores.block(start, min(start + rows, here.queries))
        close = (np.abs(block[here.query[pairs] - start] - here.score[pairs, None]) < CLOSE).sum(axis=1)
        yield int((np.abs(here.above[pairs] - there.above[pairs]).max(axis=1, initial=0) > close).sum())


def precision(device: str, dimension: int) -> Iterator[Row]:
    """Products of unit vectors on the device, against float64; TF32 would be a hundred times as far from it."""
    random = np.random.default_rng(3)
    one, other = (random.standard_normal((1024, dimension), np.float32) for _ in range(2))
    to_unit_length(one)
    to_unit_length(other)
    found = product(torch.from_numpy(one).to(device), torch.from_numpy(other).to(device)).cpu().numpy()
    error = np.abs(found - one.astype(np.float64) @ other.astype(np.float64).T).max()
    yield Row("largest error of a product of unit vectors", f"{error:.1e}", "< 1e-6: no TF32")


def ranking(size: Size, device: str, clock: Clock) -> Iterator[Row]:
    """A pool of Belebele's shape, on the device, against the bare product in the same blocks."""
    pool = parallel_pool(*size.belebele)
    scores = planted_vectors(pool, size.dimension)
    (pool.sizes, pool.group, pool.cluster)  # noqa: B018 - computed once and kept
    queries, candidates = (torch.from_numpy(part).to(device) for part in (scores.queries, scores.candidates))
    rows = rows_at_a_time(len(candidates) + STEPS * len(pool.languages) ** 2, device)

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


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the table, row by row; return 1 if a part failed."""
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
    pool, dtype = parallel_pool(*size.xquad), torch.bfloat16 if on_gpu else torch.float32
    with TemporaryDirectory() as folder:
        model = make_model(Path(folder), size, all_texts(pool)[:5000], dtype)
        failed = measure(clock, {
            "encoding": encoding(size, given.device, clock, pool, model, dtype),
            "precision of products": precision(given.device, size.dimension),
            "agreement with the processor": agreement(given.device, pool, size.dimension),
            "ranking": ranking(size, given.device, clock),
            "several devices": several_devices(clock, pool, model),
            "mteb": against_mteb(),
        })  # fmt: skip
    return int(failed)


def measure(clock: Clock, parts: dict[str, Iterator[Row]]) -> bool:
    """Print the rows of all parts as they are measured; return whether a part failed, which does not end the others."""
    failed = False
    for name, rows in parts.items():
        try:
            if clock.left < LEAST_SECONDS:
                print(Row(name, "not measured: no time left"), flush=True)
                continue
            for row in rows:
                print(row, flush=True)
        except Exception as error:
            print(Row(name, f"not measured: {type(error).__name__}: {' '.join(str(error).split())[:200]}"), flush=True)
            traceback.print_exc()
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
