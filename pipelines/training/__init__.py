"""One training in epochs."""
