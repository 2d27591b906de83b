"""The command `panglot`."""
