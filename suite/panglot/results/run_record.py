"""The provenance in a result file: where, when and how fast a model was run, and how it read the texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from panglot.encode.tokenization import Reading
from panglot.fields import Amount, Count, Label, Line, Moment, Pairs, Positive, Tokens
from panglot.results.record import Record
from panglot.results.shape import SHARE, check_number


class EncodingRecord(Record):
    """How the model read the texts, and how fast.

    `queries` and `candidates` give for each language the share of texts that were cut (`truncated`) and the
    `tokens_per_word`; empty where the encoder counts no tokens.
    """

    texts: Count
    fresh: Count
    """Texts that were not in the cache."""
    texts_per_second: Amount | None
    queries: dict[Label, dict[Reading, Amount]]
    candidates: dict[Label, dict[Reading, Amount]]

    @model_validator(mode="after")
    def _check(self) -> EncodingRecord:
        for role, languages in (("queries", self.queries), ("candidates", self.candidates)):
            for language, reading in languages.items():
                check_number(f"{role}.{language}.truncated", reading.get("truncated", 0.0), SHARE)
        return self


class RunRecord(Record):
    """Where, when and how fast."""

    created: Moment
    """UTC, ISO 8601."""
    panglot: Label
    python: Label
    packages: Annotated[dict[Label, Label], Field(max_length=1000)]
    platform: Line
    processor: Line
    cores: Positive
    seconds: Annotated[dict[Label, Amount], Field(max_length=100)]
    """Wall-clock seconds of each step; their names say which."""
    peak_memory_mib: Count | None
    """Largest resident memory of the process; null where the system does not tell."""
    encoding: EncodingRecord | None = None
    """None for models that read no texts one by one."""
    batch_tokens: Tokens | None = None
    """Tokens in a batch, including padding, requested or found since the model was loaded; of a reranker, in a batch of
    pairs. None if it has encoded nothing, or has no such budget."""
    hardware: Line | None = None
    """The devices of torch that the model is on, and its implementation of attention; None if it does not say."""
    damaged: Count = 0
    """Images and captions that could not be used and were left out, as `--skip-damaged` allows."""
    rank_device: Line | None = None
    """The device of torch that compared the vectors; None for the processor."""
    close_scores: Pairs | None = None
    """Pairs of a relevant candidate and another whose scores differ by no more than rounding: 1e-6 for vectors of unit
    length, else 1e-6 of the product of the lengths of the query and the relevant one. The processor may order them
    otherwise; None if it ranked, or ranked a part of a corpus."""
