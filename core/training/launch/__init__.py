"""Training on several GPUs or machines, through accelerate."""
