"""Corpora: the folder format, importers, splits, and what training reads."""
