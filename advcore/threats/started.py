"""Balls in which a search starts at a given point in place of a random one."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.ball import Ball

Start = Callable[[Tensor, Tensor], Tensor]
"""Return the inputs to start at, of inputs `(B, *shape)` and the samples' indices `(B,)`."""


@dataclass(frozen=True)
class StartedBalls:
    """The balls of a norm, as `Balls`, whose "random" points are those that `start` gives.

    So an attack that starts at random, as PGD and Auto-PGD do, starts there. A point of the ball
    stays as it is, bit for bit; one outside is projected.

    Attributes:
        norm: norm of the ball.
        start: points to start at; one of the same sample is always the same.
        box: keep to [0, 1].
    """

    norm: str
    start: Start
    box: bool = True

    @property
    def name(self) -> str:
        return self.norm

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "StartedBall":
        """The ball of each input `(B, *shape)`."""
        ball = Ball.of(norms.norm_by_name(self.norm), inputs, radius, self.box)
        return StartedBall(**vars(ball), start=self.start)


@dataclass(frozen=True, eq=False)
class StartedBall(Ball):
    """A ball that has a point to start at.

    `start` gives the points of the centres and the samples' indices.
    """

    start: Start

    def random(self, randomness: Randomness) -> Tensor:
        """The points that `start` gives; in the ball also where it gives others."""
        points = self.start(self.center, randomness.indices)
        inside = self.size(points) <= self.radius
        if self.box:
            inside &= ((points >= 0) & (points <= 1)).flatten(1).all(1)
        return torch.where(per_sample(inside, points), points, self.project(points))

    def edge(self, randomness: Randomness) -> Tensor:
        return self.random(randomness)
