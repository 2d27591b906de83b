"""From scores to evidence: the rank of every relevant candidate."""
