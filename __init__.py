"""divtool: measure and train the diversity of language-model output."""

__version__ = "0.1.0.dev0"
