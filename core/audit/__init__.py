"""Audits of the distribution of a model's answers against a known target."""
