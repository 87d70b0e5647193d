"""Remove photos and people from a workspace and its releases."""
