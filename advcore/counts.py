"""Numbers with their nouns, for messages, meanings and reports."""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, as in `1 shard` and `2 shards`; the plural takes an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
