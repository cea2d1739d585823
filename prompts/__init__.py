"""Prompt templates and task data, read with `importlib.resources`."""
