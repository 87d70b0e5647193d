"""Search phrases: the paper's grid of persons and expressions, in English and Spanish (§2, stage 1)."""
