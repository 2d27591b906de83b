"""Task files: one data set as TOML, and the tasks that it defines."""
