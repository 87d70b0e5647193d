"""The grid of the paper: its runs, its tables, its figures and its questions (§4)."""
