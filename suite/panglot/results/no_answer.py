"""The part of a result about queries that nothing answers; only a user's own data has such queries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import model_validator

from panglot.arrays import Floats
from panglot.data.pool import Pool
from panglot.fields import Count, Label, Share
from panglot.results.record import Record
from panglot.results.shape import SHARE, check_score
from panglot.retrieve.evidence import Evidence
from panglot.score.bootstrap import Score
from panglot.score.no_answer import Separation, separate


class SeparationRecord(Record):
    """As `Separation`."""

    answered: Count
    unanswered: Count
    auroc: Score
    threshold: float
    kept: Share
    rejected: Share

    @model_validator(mode="after")
    def _check(self) -> SeparationRecord:
        if not (self.answered and self.unanswered):
            raise ValueError("no_answer: needs queries with an answer and queries without one")
        check_score("no_answer.auroc", self.auroc, SHARE, is_mean=False)
        return self

    @classmethod
    def of(cls, found: Separation) -> SeparationRecord:
        """The same as a record."""
        return cls(**found._asdict())


class NoAnswerRecord(Record):
    """How well the best score tells queries without an answer from the others; not recomputable from the evidence.

    `overall` uses one threshold for all languages; `languages` has those with both kinds of queries.
    """

    overall: SeparationRecord
    languages: dict[Label, SeparationRecord]


def no_answer_record(pool: Pool, evidence: Evidence, best: Floats) -> NoAnswerRecord:
    """Compare the best scores of the unanswered queries of a pool, `best` [unanswered], with those of the others."""
    answered = evidence.top_score[:, 0]
    languages: Mapping[str, SeparationRecord] = {
        name: SeparationRecord.of(separate(answered[own], best[other], evidence.cluster[own]))
        for place, name in enumerate(pool.languages)
        if (own := evidence.query_language == place).any() and (other := pool.unanswered.language == place).any()
    }
    overall = SeparationRecord.of(separate(answered, np.asarray(best), evidence.cluster))
    return NoAnswerRecord(overall=overall, languages=dict(languages))
