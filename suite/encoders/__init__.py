"""One file for each kind of model; `suite.encoder.KINDS` lists them."""
