"""Stages over inputs that are too large for one machine: cut into shards, and run on a cluster."""
