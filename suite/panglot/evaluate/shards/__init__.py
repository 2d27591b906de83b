"""Evaluation on corpora that are streamed in shards, on one machine or a cluster."""
