"""Numbers with their nouns, for messages and reports: those of the mathematics."""

from advcore.counts import counted

__all__ = ["counted"]
