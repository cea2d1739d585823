"""Exact answer distributions: the answers' tokens as a tree, run through a model with the prompt once."""
