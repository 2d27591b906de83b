"""Shared code for local sentence-transformers and transformers models."""
