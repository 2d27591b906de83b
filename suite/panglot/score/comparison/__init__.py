"""Whether models differ, and in what order they stand."""
