"""A number that is sought in an interval, which becomes narrower round by round."""

import torch
from torch import Tensor

from advcore.fits.fit import FitSamples, FitState


def interval(low: float, high: float, samples: FitSamples) -> FitState:
    """Return the state of the first round: the `ends` `(2,)`, float64, and the `classes`."""
    ends = torch.tensor([low, high], dtype=torch.float64)
    return FitState({"ends": ends, "classes": torch.tensor(samples.classes)})


def points_between(state: FitState, count: int) -> Tensor:
    """Return the points of a round `(count,)`, float64, ascending, the ends among them."""
    low, high = state.tensors["ends"].tolist()
    return torch.linspace(low, high, count, dtype=torch.float64)


def narrowed(state: FitState, pair: Tensor) -> FitState:
    """Return the state of the next round, between a pair of neighbours `(2,)`.

    Its history has the distance of the two, `width`, a number a round.
    """
    width = (*state.history.get("width", ()), float(pair[1] - pair[0]))
    return FitState({**state.tensors, "ends": pair}, state.rounds + 1, history={"width": width})
