"""What `select`, `train` and `sample` share of possibility fine-tuning, arXiv 2412.03343."""
