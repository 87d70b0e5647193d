"""Numbers of the protocol that are no settings."""

#: Largest rotation in degrees, shift as a share of the side, and zoom, each in both directions (§4.2).
ROTATION = 20.0
SHIFT = 0.2
ZOOM = 0.2

#: The largest weight of conservative weighting (§3.4).
CAP = 3.0
