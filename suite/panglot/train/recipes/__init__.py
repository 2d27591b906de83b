"""What a model is made of: the recipe, one TOML file, and the recipes that ship with the package."""
