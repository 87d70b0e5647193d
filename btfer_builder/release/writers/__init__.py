"""One writer a file of a release."""
