"""Data sets that are chosen of others, relabelled, or made of them where they are used.

None needs a network, and none is stored: what is random comes from (seed, root index).
"""

from collections.abc import Mapping
from typing import Protocol

from advcore.workers.datasets.altered import (
    Corrupted,
    Decoy,
    Marked,
    Noised,
    Outlined,
    Relabelled,
    Transformed,
)
from advcore.workers.datasets.chosen import Half, OneClass, Subset
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.datasets.entries import Hidden, LabelledBy, Swapped
from advcore.workers.datasets.hybrid import Hybrid
from advcore.workers.datasets.noise_images import NoiseImages
from advcore.workers.datasets.union import Union


class Derived(Protocol):
    """A frozen dataclass of settings that makes a data set of others at once."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the data sets that it is made of."""

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        """Return the data set, of those by name; nothing is read.

        Raises InputError for settings that do not fit them.
        """


DERIVED: dict[str, type] = {
    "subset": Subset,
    "half": Half,
    "one_class": OneClass,
    "union": Union,
    "relabelled": Relabelled,
    "labelled_by": LabelledBy,
    "swapped": Swapped,
    "hidden": Hidden,
    "noised": Noised,
    "corrupted": Corrupted,
    "noise_images": NoiseImages,
    "marked": Marked,
    "decoy": Decoy,
    "outlined": Outlined,
    "hybrid": Hybrid,
    "transformed": Transformed,
}
"""The derived data sets, made without a network, that a study can name by `kind`."""
