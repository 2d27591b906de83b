"""Training sets that are built from public sources."""
