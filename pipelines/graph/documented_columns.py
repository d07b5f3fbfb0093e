"""The columns of a probe's rows, as its docstring names them."""

import inspect

from advcore.probes import Probe


def columns_of(probe: Probe) -> str:
    """Return what a probe says of its columns and their units, from its docstring; else empty.

    It is the paragraph that begins with `Columns`.
    """
    paragraphs = (inspect.getdoc(type(probe)) or "").split("\n\n")
    found = [text for text in paragraphs if text.lstrip().startswith("Columns")]
    return " ".join(found[0].split()) if found else ""
