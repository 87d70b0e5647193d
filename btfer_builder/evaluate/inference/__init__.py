"""From faces to predictions: decode ahead, run the models, map their outputs to emotions."""
