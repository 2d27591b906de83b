"""What is asked: one TOML file a data set, read by `panglot.data.catalogue`; no code."""
