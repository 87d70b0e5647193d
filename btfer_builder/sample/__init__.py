"""Draw a balanced sample out of the accepted faces."""
