"""The capability guard: whether a model still reads, knows, follows instructions and answers at length as before."""
