"""How a model is fed: presets, sidecars, and how they are resolved."""
