"""A reference to what a fit learnt, as a setting of a probe, a subspace or a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Learnt:
    """A reference to a fit: written as its name, with its tensors once it is used.

    Attributes:
        name: name of the fit.
        key: hash of all that decides what it learnt.
        tensors: its tensors by name, there once it is used.
    """

    name: str
    key: str = ""
    tensors: Mapping[str, Tensor] | None = field(default=None, compare=False, repr=False)

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor by name. Raises ValueError where the fit has none of this name."""
        if self.tensors is None or name not in self.tensors:
            known = ", ".join(self.tensors or ()) or "nothing yet"
            raise ValueError(f"the fit {self.name} has no {name!r}; it has {known}")
        return self.tensors[name]
