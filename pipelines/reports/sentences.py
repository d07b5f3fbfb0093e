"""The first sentence of a text, as lists and reports show it."""

import re

_END = re.compile(r"(?<!\beq)(?<!\beqs)(?<!\bFig)(?<!\bFigs)(?<!\bal)(?<!\bcf)(?<!\bvs)\. ")
"""The end of a sentence, and no abbreviation."""


def first_sentence_in(text: str) -> str:
    """Return the first sentence of a text's first paragraph, on one line, without its full stop."""
    line = " ".join(text.strip().split("\n\n")[0].split())
    return _END.split(line)[0].rstrip(".")
