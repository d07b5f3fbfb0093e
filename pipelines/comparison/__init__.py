"""Two results of studies beside each other: which numbers moved beyond their intervals."""
