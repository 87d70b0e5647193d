"""Decode, hash, compare and draw pictures."""
