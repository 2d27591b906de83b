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
from panglot.encode.kinds.cross_encoder import CrossEncoderScorer
from panglot.encode.load import load_model
from panglot.encode.model import Model, PairScorer, ScorePairs
from panglot.encode.options import Options
from panglot.encode.reranking import RerankedScores
from panglot.errors import BadEncoder
from panglot.retrieve.similarity import ScoreBlocks

DEPTH = 100

_NAME = re.compile(
    r"(?P<reranker>[^@]+(?P<url>@https?://(?:[^@/\s]+@)?[^@/\s]+/[^@\s]*)?)"
    r"@(?P<first>.+?)(?:[?&]depth=(?P<depth>\d+))?"
)
"""A URL needs a path, at least `/`, so that it can be told from a login before an `@`."""

_OF_A_CHECKPOINT = ("precision", "device", "trust_remote_code")
_OF_AN_ENDPOINT = ("budget", "texts_per_request")


def load(name: str, options: Options) -> RerankingModel:
    """Load the reranker with these options, and the first stage with its default settings.

    :raises UnknownName: the first stage is unknown.
    :raises BadEncoder: the name is incomplete, one of the models cannot be loaded, or an option does not apply.
    :raises MissingExtra: a required library is not installed.
    """
    match = _NAME.fullmatch(name)
    depth = int((match and match["depth"]) or DEPTH)
    if match is None or depth < 2:
        raise BadEncoder(
            f"'rerank:{re.sub(r'//[^/]*@', '//', name)}' is not RERANKER@FIRST_STAGE. Write for example "
            "rerank:BAAI/bge-reranker-v2-m3@use-multilingual?depth=100, with a depth of at least 2, or "
            "rerank:MODEL@http://host:port/rerank@bm25 for an endpoint."
        )
    reranker, is_endpoint = match["reranker"], match["url"] is not None
    others = {f"--{option.replace('_', '-')}" for option in (_OF_A_CHECKPOINT if is_endpoint else _OF_AN_ENDPOINT)}
    if wrong := sorted(others.intersection(options.changed())):
        kind = "a local reranker" if is_endpoint else "an endpoint"
        raise BadEncoder(f"{wrong[0]} applies to {kind}, which {reranker.rpartition('//')[2]} is not.")
    scorer: PairScorer = (EndpointScorer if is_endpoint else CrossEncoderScorer)(reranker, options)
    return RerankingModel(scorer, load_model(match["first"]), depth)


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
