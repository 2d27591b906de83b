"""What all local models of sentence-transformers and transformers share."""
