"""A language model as judge: ratings of responses, and comparisons in both orders."""
