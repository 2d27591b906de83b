"""One file for each kind of model; `suite.registry.KINDS` lists them."""
