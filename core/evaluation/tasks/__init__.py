"""Evaluation tasks: one file a task."""
