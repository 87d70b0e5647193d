"""Draw a balanced sample of the accepted faces."""
