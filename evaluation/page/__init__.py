"""A page for a reader who has no Python: one HTML file that asks the network for nothing."""
