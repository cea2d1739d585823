"""Training to a wanted answer distribution, after arXiv 2404.10859."""
