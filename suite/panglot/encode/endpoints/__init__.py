"""What all models behind an API share."""
