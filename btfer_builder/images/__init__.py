"""Decode, hash, compare and draw images."""
