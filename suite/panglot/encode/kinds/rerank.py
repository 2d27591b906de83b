"""`rerank:RERANKER@FIRST_STAGE?depth=100`: the first stage's best candidates, reordered by a reranker.

`RERANKER` is a cross-encoder of sentence-transformers, a folder or `org/name`, or `MODEL@URL/rerank` for an endpoint;
`FIRST_STAGE` is any other model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import partial

from panglot.data.pool import Pool
from panglot.encode.card import ModelCard
from panglot.encode.endpoints.reranker import EndpointScorer
from panglot.encode.kinds.cross_encoder import CrossEncoderScorer, check_reranker
from panglot.encode.load import load_model
from panglot.encode.model import Model, PairScorer, ScorePairs
from panglot.encode.options import Options
from panglot.encode.registry import find_kind
from panglot.encode.reranking import RerankedScores
from panglot.errors import BadEncoder
from panglot.retrieve.similarity import ScoreBlocks

DEPTH = 100

_NAME = re.compile(
    r"(?P<reranker>[^@]+(?P<url>@https?://(?:[^@/\s]+@)?[^@/\s]+/[^@\s]*)?)"
    r"@(?P<first>.+?)(?:[?&]depth=(?P<depth>[^?&]*))?"
)
"""A URL needs a path, at least `/`, so that it can be told from a login before an `@`."""
_DEPTH = re.compile(r"0*([2-9]|[1-9][0-9]{1,8})")

_OF_A_CHECKPOINT = ("precision", "device", "batch_tokens", "trust_remote_code")
_OF_AN_ENDPOINT = ("budget", "texts_per_request")


def load(name: str, options: Options) -> RerankingModel:
    """Load the reranker with these options, and the first stage with its default settings.

    :raises UnknownName: the first stage is unknown; nothing was loaded or contacted.
    :raises BadEncoder: the name is incomplete, one of the models cannot be loaded, or an option does not apply.
    :raises MissingExtra: a required library is not installed.
    """
    match, public = _NAME.fullmatch(name), f"rerank:{re.sub(r'//[^/]*@', '//', name)}"
    if match is None or match["first"].startswith(("http://", "https://")):
        raise BadEncoder(
            f"'{public}' is not RERANKER@FIRST_STAGE. Write for example "
            "rerank:BAAI/bge-reranker-v2-m3@use-multilingual?depth=100, or "
            "rerank:MODEL@http://host:port/rerank@bm25 for an endpoint."
        )
    depth, reranker, is_endpoint = match["depth"], match["reranker"], match["url"] is not None
    if depth is not None and not _DEPTH.fullmatch(depth):
        raise BadEncoder(f"'{public}': the depth is '{depth}'. It must be a number of at least 2, as in ?depth=100.")
    if re.search("[?&]depth=", match["first"]):
        raise BadEncoder(f"'{public}': the depth must come last, as in rerank:RERANKER@FIRST_STAGE?depth=100.")
    find_kind(match["first"])  # a typo in one model is found before the other is loaded, or paid for
    others = {f"--{option.replace('_', '-')}" for option in (_OF_A_CHECKPOINT if is_endpoint else _OF_AN_ENDPOINT)}
    if wrong := sorted(others.intersection(options.changed())):
        kind = "a local reranker" if is_endpoint else "an endpoint"
        raise BadEncoder(f"{wrong[0]} applies to {kind}, which {reranker.rpartition('//')[2]} is not.")
    if not is_endpoint:
        check_reranker(reranker)
    first_stage = load_model(match["first"])
    scorer: PairScorer = (EndpointScorer if is_endpoint else CrossEncoderScorer)(reranker, options)
    return RerankingModel(scorer, first_stage, int(depth or DEPTH))


class RerankingModel:
    """A first stage whose `depth` best candidates in the pool of all languages are reordered; the others stay below."""

    def __init__(self, scorer: PairScorer, first_stage: Model, depth: int) -> None:
        self.pair_scorer, self.members, self.depth = scorer, (first_stage,), depth
        own, first = scorer.card, first_stage.card
        both = (own, first)
        state = "\n".join([str(depth), *(card.model_dump_json() for card in both)])
        sizes = [card.parameters for card in both]
        self.card = ModelCard(
            name=f"rerank:{own.name}@{first.name}?depth={depth}",
            revision=hashlib.sha256(state.encode()).hexdigest()[:12],
            library=" + ".join(dict.fromkeys(card.library for card in both)),
            similarity="none",
            parameters=None if None in sizes else sum(size or 0 for size in sizes),
            max_length=own.max_length,
            precision=own.precision,
            backend=own.backend,
            trust_remote_code=own.trust_remote_code or first.trust_remote_code,
            licence=" + ".join(dict.fromkeys(card.licence for card in both)),
            note=f"The candidates ranked {depth} or better by {first.label} in the pool of all languages, reordered by "
            f"{own.label}; the others keep their order below them. {own.note}".strip(),
        )

    def fuse(self, scores: Sequence[ScoreBlocks], pool: Pool, score_pairs: ScorePairs) -> ScoreBlocks:
        """Score each query with its best candidates, and return the scores of the reordered lists.

        :raises BadEncoder: the pool has images, or the reranker fails or returns invalid scores.
        """
        if pool.has_images:
            raise BadEncoder(f"{self.card.name} reads only text, but the pool has images.")
        (first,) = scores
        return RerankedScores(first, pool, self.depth, partial(score_pairs, self.pair_scorer, pool))
