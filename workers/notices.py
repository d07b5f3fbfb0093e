"""Sentences for whoever started the command, beside what it prints."""

import sys


def warn(sentence: str) -> None:
    """Print a warning on the standard error output."""
    print(f"advcore: warning: {sentence}", file=sys.stderr)
