"""Whether a result is what it says: checked, scored again, handed in."""
