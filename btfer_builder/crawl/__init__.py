"""Search engines for pictures and download them; every result is stored with its metadata and its outcome."""
