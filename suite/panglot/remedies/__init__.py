"""Remedies for language bias: what would help this model, computed from what is stored already."""
