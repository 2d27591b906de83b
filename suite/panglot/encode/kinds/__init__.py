"""One file for each kind of model; `panglot.encode.registry.KINDS` lists them."""
