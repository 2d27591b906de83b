"""Pages: widgets and words."""
