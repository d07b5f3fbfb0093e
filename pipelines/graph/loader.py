"""The reading of data sets and the checking of networks, each once."""

from dataclasses import dataclass, fields, replace

from advcore.workers.datasets import Dataset, DataSpec, load
from advcore.workers.model_checks import Checked, check_model
from advcore.workers.models import ModelSpec


@dataclass(frozen=True, eq=False)
class StandIn(Dataset):
    """The samples of another data set in place of one that is not made yet, for checks before it.

    Its digest is its own, so that nothing measured on the other is taken for it; `inside` says
    whether its inputs will lie in the box.
    """

    inside: bool = True

    @property
    def in_box(self) -> bool:
        """True where inputs will lie in [0, 1]."""
        return self.inside

    @property
    def is_made(self) -> bool:
        """False."""
        return False

    @property
    def digest(self) -> str:
        """A text that is no data set's."""
        return f"not made yet: {super().digest}"

    @classmethod
    def of(cls, dataset: Dataset, inside: bool) -> "StandIn":
        """Return the stand-in with the samples of a data set."""
        own = {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
        return cls(**own, inside=inside)


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
            if replace(known, columns=spec.columns) == spec and {*spec.columns} <= {*known.columns}:
                return dataset
        self._known.append((spec, load(spec)))
        return self._known[-1][1]

    def provide(self, spec: DataSpec, dataset: Dataset) -> None:
        """Hand out `dataset` for `spec` from now on, a data set that comes of others.

        Before it is there, one of the same shape, box and classes stands in for it, a `StandIn`.
        """
        self._known = [own for own in self._known if own[0] != spec]
        self._known.append((spec, dataset))

    def is_there(self, spec: DataSpec) -> bool:
        """Return whether the data set is the one that it is called, and no stand-in."""
        return self(spec).is_made

    def check(self, name: str, spec: ModelSpec, model_hash: str, dataset: Dataset) -> Checked:
        """Return what the first images say of a network, see `check_model`.

        A network is built once for all data sets of one shape whose labels it has.
        """
        what = (model_hash, dataset.shape, repr(dataset.transform))
        found = self._checked.get(what)
        if found is None or dataset.labels.max() >= found.classes:
            found = self._checked[what] = check_model(name, spec, dataset)
        return found
