"""Fragile explanations: an attack that keeps the prediction and moves the map.

Source: Ghorbani et al. 2019, Interpretation of neural networks is fragile.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.budget import check_eps, radii
from advcore.classifier import (
    Classifier,
    check_images,
    check_pictures,
    frozen,
    full_precision,
    predict,
)
from advcore.explain.agreement import salience
from advcore.explain.explanation_goals import ExplanationGoal, OutOfTop
from advcore.explain.gradient import Gradient, GradientTimesInput
from advcore.explain.integrated_gradients import IntegratedGradients
from advcore.explain.softplus import SoftplusForReLU
from advcore.logit_gradients import leaf
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.ball import Ball

Climbable = Gradient | GradientTimesInput | IntegratedGradients
"""Attributions whose maps can be differentiated in the input."""


@dataclass(frozen=True)
class ExplanationAttack:
    """Maximise a goal of the map over `||r|| <= eps`, with the predicted label unchanged.

    Projected steepest ascent on the goal of the softplus stand-in's map (see
    `advcore.explain.SoftplusForReLU`), applied to the network itself: of all iterates at which the
    network predicts what it predicted, the one with the largest goal of its own map counts. Where
    none moves it farther than the input itself, that is handed back. The label explained is the
    predicted one throughout. The first run starts at the input, as published; each further one at
    a random point of the ball. Give two or more: where all of a map lies in its top pixels, as that
    of integrated gradients of a digit on black does, the goal has no slope at the input, and the
    first run stays there.

    Guarantee: what is handed back is inside the ball and the box, and keeps the prediction.

    Attributes:
        eps: radius in pixel units; 0.3 on MNIST and 0.1 on Fashion-MNIST in Chen et al. 2019.
        norm: norm of the ball.
        attribution: attribution whose map is moved.
        goal: goal that the map is moved towards.
        step: length of a step, in pixel units.
        steps: steps of a run.
        restarts: number of runs, the first included.
        beta: sharpness of the softplus that stands for each ReLU.
        box: keep `x + r` in [0, 1].
    """

    eps: float
    norm: Literal["l2", "linf"] = "linf"
    attribution: Climbable = field(default_factory=Gradient)
    goal: ExplanationGoal = field(default_factory=OutOfTop)
    step: float = 0.01
    steps: int = 100
    restarts: int = 3
    beta: float = 10.0
    box: bool = True

    def __post_init__(self) -> None:
        check_eps(self.eps, wanted=True)
        if not self.step > 0 or not self.beta > 0:
            raise ValueError(f"step and beta must be positive; got {self.step} and {self.beta}")
        if min(self.steps, self.restarts) < 1:
            raise ValueError(
                f"steps and restarts must be at least 1; got {self.steps} and {self.restarts}"
            )

    def validate(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError for inputs of this shape that have no such map, or no such goal."""
        _, height, width = check_pictures(shape, "an attack on explanations")
        self.goal(torch.ones(1, height, width), torch.ones(1, height, width))

    def ball(self, images: Tensor) -> Ball:
        """The balls around images that the attack may reach."""
        norm = norms.norm_by_name(self.norm)
        return Ball.of(norm, images, radii(self.eps, images), self.box)

    def __call__(
        self, classifier: Classifier, images: Tensor, randomness: Randomness | None = None
    ) -> Tensor:
        """Return the images `(B, C, H, W)` with the moved explanations."""
        self.validate(tuple(images.shape[1:]))
        images = (check_images(images) if self.box else images).detach()
        if randomness is None:
            randomness = Randomness(0, torch.arange(len(images), device=images.device))
        ball = self.ball(images)
        with full_precision(), frozen(classifier):
            search = _Search(self, classifier, ball, predict(classifier, images))
            for run in range(self.restarts):
                current = images if run == 0 else ball.random(randomness.stream("start", run))
                for _ in range(self.steps):
                    current = search.step(current)
            return search.verified()


class _Search:
    """One batch under attack, and the best iterate of each sample so far."""

    def __init__(
        self, attack: ExplanationAttack, classifier: Classifier, ball: Ball, labels: Tensor
    ) -> None:
        self.attack, self.classifier, self.ball, self.labels = attack, classifier, ball, labels
        self.original = self._shares(leaf(ball.center)).detach()
        self.best, self.value = ball.center, attack.goal(self.original, self.original)

    def step(self, current: Tensor) -> Tensor:
        """Return the next iterate, `(B, C, H, W)`, and keep it where it is the best so far."""
        images = leaf(current)
        with torch.enable_grad(), SoftplusForReLU(self.attack.beta):
            goal = self.attack.goal(self._shares(images), self.original).sum()
            slope = _slope(goal, images)
        way = self.ball.steepest(slope, current)
        moved = self.ball.project(current + self.attack.step * way)
        value = self.attack.goal(self._shares(leaf(moved)).detach(), self.original)
        self._keep(self._unchanged(moved) & (value > self.value), moved, value)
        return moved

    def verified(self) -> Tensor:
        """The best iterates, `(B, C, H, W)`; the input itself where that changes the prediction."""
        unchanged = per_sample(self._unchanged(self.best), self.best)
        return torch.where(unchanged, self.best, self.ball.center)

    def _keep(self, better: Tensor, moved: Tensor, value: Tensor) -> None:
        self.best = torch.where(per_sample(better, moved), moved, self.best)
        self.value = torch.where(better, value, self.value)

    def _unchanged(self, images: Tensor) -> Tensor:
        return predict(self.classifier, images) == self.labels

    @torch.enable_grad()
    def _shares(self, images: Tensor) -> Tensor:
        """The network's own maps `(B, H, W)` of sum 1, or its stand-in's, at a leaf."""
        maps = self.attack.attribution.differentiable(self.classifier, images, self.labels)
        return salience(maps)


def _slope(goal: Tensor, images: Tensor) -> Tensor:
    """The gradient of the goal, `(B, C, H, W)`; 0 where maps depend on no image, as affine ones."""
    if not goal.requires_grad:
        return torch.zeros_like(images)
    return torch.autograd.grad(goal, images, materialize_grads=True)[0]
