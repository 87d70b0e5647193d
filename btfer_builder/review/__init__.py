"""Review: people label or reject every image and face."""
