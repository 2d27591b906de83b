"""Submissions that strangers upload, checked in a process of their own."""
