"""Search phrases: the paper's grid of persons and expressions, in any language with a vocabulary (§2, stage 1)."""
