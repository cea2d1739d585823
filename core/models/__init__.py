"""Language models and embedders: finding, loading, chat templates."""
