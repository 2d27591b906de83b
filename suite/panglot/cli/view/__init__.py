"""Terminal output and the HTML gallery."""
