"""Take pictures out of a workspace and its releases."""
