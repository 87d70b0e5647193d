"""The public API: what `import btfer_builder as bt` offers, over the same functions that the commands call."""
