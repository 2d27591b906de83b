"""Corpora that pass by in shards, on one machine or on many."""
