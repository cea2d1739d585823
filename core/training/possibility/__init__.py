"""Possibility fine-tuning, after arXiv 2412.03343."""
