"""The notation of a graph: axes, references, and how entries expand to members."""
