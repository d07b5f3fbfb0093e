"""One training where it is computed: its description, its samples, its epochs."""
