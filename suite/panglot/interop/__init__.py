"""Formats of other projects: mteb, TREC, model cards, tables of papers."""
