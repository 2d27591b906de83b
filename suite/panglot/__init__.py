"""Panglot: how an encoder retrieves within, across and over all languages, and which of them it favours."""
