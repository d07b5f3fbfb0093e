"""The reading of data sets and the checking of networks, each once."""

from advcore.workers.datasets import Dataset, DataSpec, load
from advcore.workers.model_checks import Checked, check_model
from advcore.workers.models import ModelSpec


class Loader:
    """Reads data sets and checks networks; what it knows already, it hands out again.

    `samples` stand in for every data set.
    """

    def __init__(self, samples: Dataset | None = None) -> None:
        self._samples = samples
        self._known: list[tuple[DataSpec, Dataset]] = []
        self._checked: dict[tuple[object, ...], Checked] = {}

    def __call__(self, spec: DataSpec) -> Dataset:
        """Return the data set. Raises InputError as `load` does."""
        if self._samples is not None:
            return self._samples
        for known, dataset in self._known:
            if known == spec:
                return dataset
        self._known.append((spec, load(spec)))
        return self._known[-1][1]

    def check(self, name: str, spec: ModelSpec, model_hash: str, dataset: Dataset) -> Checked:
        """Return what the first images say of a network, see `check_model`.

        A network is built once for all data sets of one shape whose labels it has.
        """
        what = (model_hash, dataset.shape, repr(dataset.transform))
        found = self._checked.get(what)
        if found is None or dataset.labels.max() >= found.classes:
            found = self._checked[what] = check_model(name, spec, dataset)
        return found
