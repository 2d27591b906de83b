"""Significance tests between models, and rankings of models."""
