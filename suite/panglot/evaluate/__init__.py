"""Evaluate a model on a task: from task and model to result."""
