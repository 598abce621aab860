"""The study: what predictions, labels and votes say. Imports no jax."""
