"""Facts about languages that more than one part of the suite needs."""

UNSPACED = frozenset({"zh", "ja", "th", "km", "lo", "my", "bo"})
"""Languages whose words are not divided by white space."""
