"""Measuring a model: tasks and statistics."""
