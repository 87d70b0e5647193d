"""Files, storage and the terminal."""
