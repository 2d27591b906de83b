"""The files of a result: written whole, read without trust."""
