"""Preprocessing of models: presets, sidecars, and the order of precedence."""
