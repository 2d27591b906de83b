"""The reference trainer: an encoder made by batches of one kind each (arXiv 2408.10536), with image-text as a third."""
