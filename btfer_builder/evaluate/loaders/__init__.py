"""One loader for each model format: a file in, a `Model` with one predict function out."""
