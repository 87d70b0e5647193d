"""Reports and leaderboards for people."""
