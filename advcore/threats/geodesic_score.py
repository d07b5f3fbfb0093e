"""The length of the way of inputs as they are changed: a size that parameters have in common."""

import torch
from torch import Tensor

from advcore import norms
from advcore.threats.region import Region

FIRST, MOST = 8, 256
"""Number of chords at first, and the number that is not passed."""
TOLERANCE = 0.01
"""Share by which twice as many chords may be longer."""


def path_length(region: Region, parameters: Tensor) -> Tensor:
    """Return the length of the path `t -> T_{t phi}(x)`, t from 0 to 1, over `||x||_2`, `(B,)`.

    It is the sum of the chords `||T_{t phi}(x) - T_{s phi}(x)||_2` between equal steps, which are
    halved until a sample's sum grows by a hundredth at most, or there are 256. A rotation in
    degrees, a shift in pixels and a change of size so have one measure, 0 where a picture does not
    change; it has no unit. The straight way `||T_phi(x) - x||_2 / ||x||_2` is never longer, and the
    geodesic between the two on the set of all `T_phi(x)` lies between them.

    `parameters` `(B, *parameters)` are those of the region, from its rest. 0 for black pictures.

    Source: Kanbak, Moosavi-Dezfooli and Frossard 2018 (ManiFool), the geodesic score.
    """
    lengths, steps = _chords(region, parameters, FIRST), FIRST
    rows = torch.arange(len(lengths), device=lengths.device)
    while len(rows) and steps < MOST:
        steps *= 2
        finer = _chords(region.take(rows), parameters[rows], steps)
        unsettled = finer - lengths[rows] > TOLERANCE * finer
        lengths = lengths.index_copy(0, rows, finer)
        rows = rows[unsettled]
    return lengths


def straight_length(region: Region, parameters: Tensor) -> Tensor:
    """Return `||T_phi(x) - x||_2 / ||x||_2`, `(B,)`: no path is shorter. 0 for black pictures."""
    return _chords(region, parameters, 1)


def _chords(region: Region, parameters: Tensor, steps: int) -> Tensor:
    rest = region.rest()
    start = before = region.apply(rest)
    length = torch.zeros_like(region.radius)
    for step in range(1, steps + 1):
        after = region.apply(torch.lerp(rest, parameters, step / steps))
        length, before = length + norms.L2.size(after - before), after
    return length / norms.L2.size(start).clamp(min=torch.finfo(start.dtype).tiny)
