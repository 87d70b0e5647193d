"""Search phrases: the paper's grid of people and expressions, in English and Spanish (§2, stage 1)."""
