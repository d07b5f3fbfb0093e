"""The limits of MLflow: names, lengths, numbers of entries in one call."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from advcore.pipelines.tracking.record import Value

METRICS, PARAMS, TAGS = 800, 100, 100
"""Largest numbers in one call: MLflow takes 100 parameters, 100 tags, and 1000 of all together."""

NAME, PARAM, TAG, DIGEST = 250, 6000, 8000, 36
"""Characters that MLflow keeps of a name, a parameter, a tag, the digest of a data set."""


def clean_name(name: str) -> str:
    """Return a name that MLflow accepts; other characters become `_`."""
    allowed = re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)
    steps = [step for step in allowed.split("/") if step]
    return "/".join("_" if set(step) == {"."} else step for step in steps)[:NAME].rstrip("/") or "_"


def as_text(value: Value) -> str:
    """Return a parameter as MLflow keeps it: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Return the values in parts of at most `size`."""
    return (values[start : start + size] for start in range(0, len(values), size))


def cut(text: str, length: int) -> str:
    """Return the text, shortened with an ellipsis where it is longer than `length`."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
