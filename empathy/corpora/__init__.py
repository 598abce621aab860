"""Corpora: the folder format, importers, splits and the TFDS builder."""
