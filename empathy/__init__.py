"""Models of multimodal empathy, and what their disagreement tells."""

__version__ = '0.1.0'
