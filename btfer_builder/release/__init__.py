"""Give a sample to others: with its card, checksums and licences; and take a person out of it again."""
