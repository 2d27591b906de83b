"""Remedies for language bias, evaluated from stored evidence and vectors."""
