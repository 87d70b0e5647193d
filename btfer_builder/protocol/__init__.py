"""The protocol of the paper (§3–4): networks, their weights, and how they are trained and compared."""
