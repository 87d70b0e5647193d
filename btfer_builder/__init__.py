"""Build a balanced facial-expression test set out of image searches, and score models on it."""

__version__ = "0.1.1"
