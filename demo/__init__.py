"""The demo: a loopback image search of real photographs, and the whole way of a set over it."""
