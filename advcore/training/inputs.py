"""The seam of training samples that do not fit into memory."""

from typing import Protocol

import torch
from torch import Tensor


class Inputs(Protocol):
    """Inputs `(N, C, H, W)` that are read when they are indexed by a tensor of positions.

    A tensor is one, all of which is in memory. Labels are a tensor always.
    """

    @property
    def device(self) -> torch.device:
        """The device on which inputs come, and on which positions are."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return the inputs at the positions `rows` `(n,)`, `(n, C, H, W)`."""
