"""Flax modules: heads for one modality, and fusions of several."""
