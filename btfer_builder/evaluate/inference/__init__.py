"""From faces to predictions: decode ahead, run the model, map its outputs to emotions."""
