"""The whole measurement: from a task and a model to a result."""
