"""Several runs compared: variants of a recipe with several seeds."""
