"""Fetch the files of data sets."""
