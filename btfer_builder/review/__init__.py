"""Review: people look at every image and face, and say what it is."""
