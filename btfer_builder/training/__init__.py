"""Train a network of the protocol in two phases (§4.2) and record everything that affects the result."""
