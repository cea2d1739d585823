"""Drawing responses from a model."""
