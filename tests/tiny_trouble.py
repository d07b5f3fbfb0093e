"""Kinds that strike in the middle of their work, once: named by their module.

Where the file `marker` is not there yet, they make it, and then kill their process (`how: dies`) or
wait for somebody to do it (`how: waits`). So what killed them is in their settings, and a run that
finds the file is undisturbed.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny_fits import Mean
from tiny_products import Lightened
from torch import Tensor, nn

from advcore.derived import Made
from advcore.fits import FitState, Sums
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


def strike(marker: str, how: str) -> None:
    if Path(marker).exists():
        return
    Path(marker).touch()
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(120)
    raise TimeoutError("nobody killed this process")


@dataclass(frozen=True)
class StruckMean(Mean):
    """`tiny_fits:Mean`, struck at the sample `bad` of the round `at`."""

    def share(self, classifier: Any, batch: Batch, state: FitState, randomness: Randomness) -> Sums:
        if self.bad in batch.indices and state.rounds == self.at:
            strike(self.marker, self.how)
        return Mean().share(classifier, batch, state, randomness)


@dataclass(frozen=True)
class StruckLightened(Lightened):
    """`tiny_products:Lightened`, struck at the sample `bad`."""

    bad: int = -1
    marker: str = ""
    how: str = "dies"

    def make(self, classifier: Any, batch: Batch, randomness: Randomness) -> Made:
        if self.bad in batch.indices:
            strike(self.marker, self.how)
        return Lightened(self.fit).make(classifier, batch, randomness)


class StruckNetwork(nn.Module):
    """A linear network, struck at its `call`-th batch of a training."""

    def __init__(self, classes: int, marker: str, how: str, call: int) -> None:
        super().__init__()
        self.linear = nn.Linear(64, classes)
        self.marker, self.how, self.left = marker, how, call

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.left -= 1
            if self.left == 0:
                strike(self.marker, self.how)
        return self.linear(inputs.flatten(1))


def network(
    num_classes: int = 10, marker: str = "", how: str = "dies", call: int = 0
) -> StruckNetwork:
    return StruckNetwork(num_classes, marker, how, call)
