"""Numbers with their nouns, for messages, meanings and reports."""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, as in `1 shard` and `2 shards`; the plural takes an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration_text(seconds: float) -> str:
    """Return a time in words, to two digits."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return (
        f"{minutes:.1f} min"
        if minutes < 10
        else f"{minutes:.0f} min"
        if minutes < 120
        else f"{minutes / 60:.1f} h"
    )
