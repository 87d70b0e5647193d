"""Files, locks, storage and the terminal."""
