"""Data sets as descriptions (`DataSpec`) and as arrays (`Dataset`)."""

from workers.datasets.dataset import Dataset, DataSpec, batch
from workers.datasets.load import NAMES, absent, load

__all__ = ["NAMES", "DataSpec", "Dataset", "absent", "batch", "load"]
