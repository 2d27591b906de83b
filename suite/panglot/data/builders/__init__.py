"""Data sets that are made from public sources."""
