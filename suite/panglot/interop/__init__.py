"""Formats of other projects: mteb, TREC runs, model cards and published tables."""
