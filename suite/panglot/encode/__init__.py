"""From a pool to vectors, through any model."""
