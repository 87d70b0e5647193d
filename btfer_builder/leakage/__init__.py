"""Find the faces of a set in training sets."""
