"""From tables and image sets to pairs, compared with the evaluation data."""
