"""Scoring a sample of queries again with the model that a result names: what makes it *reproduced*."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from panglot.arrays import Floats, Ints
from panglot.data.pool import Pool
from panglot.encode.model import Composite, Model, Reranks, Scorer
from panglot.encode.scoring import score_pool
from panglot.errors import BadResult
from panglot.fields import Amount, Count, Label, Line, Moment, Positive, Sha256, Share, Text
from panglot.progress import Progress, silent
from panglot.results.evidence_file import EvidenceName, hash_evidence, read_evidence
from panglot.results.record import FORMAT, Format, Record
from panglot.results.result_record import ResultRecord
from panglot.retrieve.evidence import NOBODY, Evidence
from panglot.trust.attested import keep_attestation

NEAR = 1e-3
"""Scores nearer than this share of the largest score of their query agree, and may stand in either order."""
NEAR_SHORT = 1e-3
"""What the rounding of the stored lists adds to that."""
SEED = 20240820


class Attestation(Record):
    """What scoring a sample again found; `<task>.attestation.json` beside the result that it is about."""

    format: Format = FORMAT
    task: Label
    fingerprint: Sha256
    model: Label
    revision: Label
    evidence: dict[EvidenceName, Sha256]
    """sha256 of the evidence files that were compared."""
    seed: Count
    queries: tuple[Text, ...]
    """Ids of the queries that were drawn."""
    pairs: Positive
    """Relevant pairs among them."""
    scores_agree: Share
    """Share of the scores of relevant candidates that came out the same, up to `NEAR`."""
    lists_agree: Share
    """Share of the lists of the best candidates that came out in the same order, up to near ties."""
    largest_difference: Amount
    """Of a relevant candidate's score, as a share of the largest score of its query."""
    created: Moment
    library: Line
    environment: dict[Label, Line]

    @property
    def holds(self) -> bool:
        """Whether everything agreed."""
        return self.scores_agree == 1 and self.lists_agree == 1


def attestation_file(path: Path) -> Path:
    """Where the attestation of a result file belongs."""
    return path.with_name(f"{path.stem}.attestation.json")


def rerun(
    path: Path,
    result: ResultRecord,
    model: Model,
    pool: Pool,
    sample: int = 200,
    seed: int = SEED,
    progress: Progress = silent,
) -> Attestation:
    """Score a sample of the queries of a verified result again: their relevant candidates, and those in their lists.

    :param path: the result file, whose evidence is compared
    :param model: the model of the result, in the same state
    :param sample: how many queries to draw, at most all
    :param seed: of the draw; the attestation states it
    :returns: what agreed and what did not
    :raises BadResult: the model differs from the one of the result, or the evidence cannot be read.
    """
    _check_model(result, model)
    evidence = read_evidence(path)
    drawn = np.random.default_rng(seed).choice(evidence.queries, min(sample, evidence.queries), replace=False)
    compared = _compare(evidence, np.sort(drawn), model, pool, progress)
    return Attestation(
        task=result.task.name,
        fingerprint=result.task.fingerprint,
        model=result.model.name,
        revision=result.model.revision,
        evidence=hash_evidence(path),
        seed=seed,
        queries=tuple(evidence.query_ids[query] for query in np.sort(drawn)),
        pairs=len(compared.differences),
        scores_agree=float(np.mean(compared.differences <= NEAR)),
        lists_agree=float(np.mean(compared.ordered)),
        largest_difference=round(float(compared.differences.max()), 10),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        library=model.card.library,
        environment={
            "panglot": version("panglot"),
            "numpy": version("numpy"),
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
    )


def write_attestation(path: Path, attestation: Attestation) -> Path:
    """Write it beside the result file that it is about, and remember that it was made here."""
    target = attestation_file(path)
    text = json.dumps(attestation.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
    target.write_text(text + "\n", encoding="utf-8")
    keep_attestation(target)
    return target


def _check_model(result: ResultRecord, model: Model) -> None:
    for name in ("revision", "similarity", "dimension", "prompts", "max_length"):
        stored, here = getattr(result.model, name), getattr(model.card, name)
        if stored != here:
            raise BadResult(
                f"The result was made by {result.model.name} with {name} {stored!r}, but the model here has {here!r}. "
                "Pass the same model in the same state with --model."
            )


class _Compared(NamedTuple):
    """`differences` [pairs], as a share of the query's largest score; `ordered` [queries], whether the list agrees."""

    differences: Floats
    ordered: np.ndarray


def _compare(evidence: Evidence, drawn: Ints, model: Model, pool: Pool, progress: Progress) -> _Compared:
    numbers = {id_: number for number, id_ in enumerate(pool.candidates.ids)}
    in_pool = np.array([numbers[id_] for id_ in evidence.candidate_ids])
    first = np.searchsorted(evidence.query, np.arange(evidence.queries + 1))
    wanted = []
    for query in drawn:
        listed = evidence.top[query][evidence.top[query] != NOBODY]
        wanted.append(in_pool[np.concatenate([evidence.candidate[first[query] : first[query + 1]], listed])])
    differences, ordered = [], []
    for query, scores in zip(drawn, _scores(model, pool, drawn, wanted, progress), strict=True):
        own = evidence.score[first[query] : first[query + 1]]
        listed = scores[len(own) :]
        stored = evidence.top_score[query, : len(listed)]
        largest = max(np.abs(own).max(), np.abs(stored).max(), np.finfo(np.float32).tiny)
        differences.append(np.abs(scores[: len(own)] - own) / largest)
        best_after = np.maximum.accumulate(listed[::-1])[::-1]
        near = np.abs(listed - stored).max() <= (NEAR + NEAR_SHORT) * largest
        ordered.append(near and (best_after - listed).max() <= NEAR * largest)
    return _Compared(np.concatenate(differences), np.array(ordered))


def _scores(model: Model, pool: Pool, drawn: Ints, wanted: Sequence[Ints], progress: Progress) -> list[Floats]:
    """Scores of each drawn query against the candidates wanted for it.

    A model that scores pools, or is made of others, gets the whole pool, since its scores may depend on it; a reranker,
    whose lists are costly, gets the drawn queries and all candidates; one that makes vectors encodes only what is
    wanted.
    """
    all_candidates = isinstance(model, Scorer | Composite)
    all_queries = all_candidates and not isinstance(model, Reranks)
    kept = np.arange(len(pool.candidates)) if all_candidates else np.unique(np.concatenate(list(wanted)))
    rows = drawn if all_queries else np.arange(len(drawn))
    scores = score_pool(model, pool if all_queries else pool.part(drawn, kept), progress=progress).scores
    return [
        scores.block(row, row + 1)[0][np.searchsorted(kept, some)]
        for row, some in zip(rows.tolist(), wanted, strict=True)
    ]
