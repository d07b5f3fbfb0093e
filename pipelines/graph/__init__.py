"""A study as a graph: named axes, families of members, and what they come of."""
