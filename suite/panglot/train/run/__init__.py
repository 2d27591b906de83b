"""A whole run: from a recipe to a scored model with its record and card."""
