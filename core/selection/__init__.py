"""Choosing pairs: filters, length balance, audit."""
