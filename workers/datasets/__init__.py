"""Data sets as descriptions (`DataSpec`) and as handles of their samples (`Dataset`)."""

from advcore.workers.datasets.batches import batch, inputs_of
from advcore.workers.datasets.dataset import Dataset, DataSpec, same_images
from advcore.workers.datasets.load import NAMES, absent, load

__all__ = ["NAMES", "DataSpec", "Dataset", "absent", "batch", "inputs_of", "load", "same_images"]
