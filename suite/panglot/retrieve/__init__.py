"""From vectors to evidence: who stands where in every ranking."""
