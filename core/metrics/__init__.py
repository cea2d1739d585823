"""Metrics: one pure function a metric, one file a family."""
