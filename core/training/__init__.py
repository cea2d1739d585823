"""Training: losses, trainers, what they leave behind."""
