"""The benchmark of the paper: runs of a grid, tables, figures and questions (§4)."""
