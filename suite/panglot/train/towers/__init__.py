"""The model before its first step: its towers, their layers, and what is frozen or adapted."""
