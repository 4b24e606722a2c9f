"""A page for a reader who has no Python: one HTML file that makes no network requests."""
