"""The reference trainer: hybrid batch training (arXiv 2408.10536), extended by image-text batches."""
