"""Where the bytes of a data set come from."""
