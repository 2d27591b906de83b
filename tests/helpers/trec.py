"""Metrics as trec_eval names them."""

from __future__ import annotations

TREC = {
    "map": "map",
    "ndcg@10": "ndcg_cut_10",
    "mrr": "recip_rank",
    **{f"recall@{k}": f"recall_{k}" for k in (1, 5, 10, 20, 100)},
    **{f"success@{k}": f"success_{k}" for k in (1, 5, 10)},
}
"""Our names and trec_eval's."""
