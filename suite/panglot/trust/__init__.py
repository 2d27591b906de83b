"""Whether a result is what it says: verify it, score it again, submit and receive it."""
