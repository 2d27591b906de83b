"""Shared code for models behind an API."""
