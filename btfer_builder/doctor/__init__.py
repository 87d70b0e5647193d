"""What `btfer doctor` looks at: this computer, the network, and a workspace."""
