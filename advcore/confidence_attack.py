"""The most confident input of a ball: of any class, or of a wrong one.

Source: Hein et al. 2019 (article, eq. 23); Stutz et al. 2020, Confidence-calibrated adversarial
training, whose attack this is.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.ascent import evaluate
from advcore.attacks.budget import check_eps, radii
from advcore.checks import check_batch, check_finite, check_images, check_labels
from advcore.classifier import Classifier, first_logits, frozen, full_precision
from advcore.criteria import Criterion, Untargeted
from advcore.norms import L2OrLinf, check_norm, per_sample
from advcore.objectives import Objective, log_confidence, wrong_confidence
from advcore.randomness import Randomness
from advcore.threats.ball import Ball

SHORTER = 1.5
"""The factor by which a step that does not rise is shortened."""


@dataclass(frozen=True)
class ConfidenceAttack:
    """Maximise `log max_k p_k(x + r)` over `||r|| <= eps`, `x + r` in [0, 1]; k a wrong class only.

    Without labels k is any class: the adversary of eq. 23, on inputs that have no class. The cross-
    entropy of the label is no stand-in: it rises as well where no other class gains.

    Projected steepest ascent with momentum and backtracking: a step counts only where it raises the
    objective; else the sample stays, its step becomes 1 / 1.5 of what it was, and its momentum 0,
    so that the next step follows the gradient alone. The first run starts at x; of the others the
    odd ones at a random direction and a length uniform in (0, eps), the even ones at normal noise
    of standard deviation eps, projected: the three starts of the published attack, which draws one
    for each sample. What is handed back is the best of all iterates of all runs: without labels the
    most confident; with them, of those that are labelled wrong, if there are any, that with the
    largest confidence in a wrong class, as what is labelled right is no error however sure a wrong
    class is.

    Guarantee: inside the ball and the box. A lower bound of the largest confidence.

    Attributes:
        eps: radius in pixel units.
        norm: norm of the ball.
        steps: steps of a run.
        restarts: number of runs, the first included.
        relative_step: length of the first steps as a share of eps; 0.005 of 0.3 in the paper.
        momentum: share of the direction before that is added to the new one, 0.9 in the paper.
        box: keep `x + r` in [0, 1].
    """

    eps: float
    norm: L2OrLinf = "linf"
    steps: int = 100
    restarts: int = 3
    relative_step: float = 0.1
    momentum: float = 0.9
    box: bool = True

    def __post_init__(self) -> None:
        check_eps(self.eps, wanted=True)
        check_norm(self.norm, L2OrLinf)
        if min(self.steps, self.restarts) < 1:
            raise ValueError(
                f"steps and restarts must be at least 1; got {self.steps} and {self.restarts}"
            )
        if not 0 < self.relative_step <= 2 or not 0 <= self.momentum < 1:
            raise ValueError(
                "relative_step must lie in (0, 2] and momentum in [0, 1); got "
                f"{self.relative_step} and {self.momentum}"
            )

    def __call__(
        self,
        classifier: Classifier,
        inputs: Tensor,
        labels: Tensor | None = None,
        randomness: Randomness | None = None,
    ) -> Tensor:
        """Return the most confident inputs that were found, `(B, *shape)`.

        Args:
            labels: classes `(B,)` whose confidence does not count; none where it is None.
        """
        check_batch(inputs)
        inputs = (check_images(inputs) if self.box else inputs).detach()
        if randomness is None:
            randomness = Randomness(0, torch.arange(len(inputs), device=inputs.device))
        with full_precision(), frozen(classifier):
            first = first_logits(classifier, inputs)
            if labels is not None:
                check_labels(labels, len(inputs), first.shape[1])
            criterion = Untargeted(first.argmax(1) if labels is None else labels)
            objective = log_confidence if labels is None else wrong_confidence
            norm = norms.norm_by_name(self.norm)
            ball = Ball.of(norm, inputs, radii(self.eps, inputs), self.box)
            best = _Iterate(inputs, objective(first, criterion), _wrong(first, labels))
            for run in range(self.restarts):
                start = self._start(ball, run, randomness.stream("run", run))
                best = self._climb(classifier, ball, start, criterion, objective, labels, best)
        return best.images

    def _start(self, ball: Ball, run: int, randomness: Randomness) -> Tensor:
        """Return the first iterates of a run, `(B, *shape)`."""
        if run == 0:
            return ball.center
        shape = ball.center.shape[1:]
        noise = randomness.stream("start").normal(shape).to(ball.center.dtype)
        if run % 2:
            length = ball.radius * randomness.stream("length").uniform(()).to(ball.center.dtype)
            noise = noise * per_sample(length / ball.norm.size(noise), noise)
        else:
            noise = noise * per_sample(ball.radius, noise)
        return ball.project(ball.center + noise)

    def _climb(
        self,
        classifier: Classifier,
        ball: Ball,
        current: Tensor,
        criterion: Criterion,
        objective: Objective,
        labels: Tensor | None,
        best: "_Iterate",
    ) -> "_Iterate":
        """Return the best of the iterates of a run and of what was found before."""
        gradient, value, logits = evaluate(classifier, current, criterion, objective)
        best = best.or_better(_Iterate(current, value, _wrong(logits, labels)))
        step, way = self.relative_step * ball.radius, torch.zeros_like(current)
        for _ in range(self.steps):
            tried = self.momentum * way + ball.steepest(gradient, current)
            length = per_sample(step, current)
            moved = ball.project(current + length * ball.steepest(tried, current))
            slope, height, logits = evaluate(classifier, moved, criterion, objective)
            best = best.or_better(_Iterate(moved, height, _wrong(logits, labels)))
            rises = height > value
            wins = per_sample(rises, current)
            current, gradient = (
                torch.where(wins, moved, current),
                torch.where(wins, slope, gradient),
            )
            way = torch.where(wins, tried, 0)
            value = torch.where(rises, height, value)
            step = torch.where(rises, step, step / SHORTER)
        return best


@dataclass(frozen=True)
class _Iterate:
    """Images `(B, *shape)`, their objective `(B,)`, and whether they are labelled wrong `(B,)`."""

    images: Tensor
    value: Tensor
    wrong: Tensor

    def or_better(self, other: "_Iterate") -> "_Iterate":
        """Return the better of both, sample by sample: labelled wrong first, then the larger."""
        larger = (other.wrong == self.wrong) & (other.value > self.value)
        wins = (other.wrong & ~self.wrong) | larger
        return _Iterate(
            torch.where(per_sample(wins, self.images), other.images, self.images),
            torch.where(wins, other.value, self.value),
            torch.where(wins, other.wrong, self.wrong),
        )


def _wrong(logits: Tensor, labels: Tensor | None) -> Tensor:
    """Return which inputs are labelled wrong `(B,)`; none where there are no labels."""
    predicted = logits.argmax(1)
    return torch.zeros_like(predicted, dtype=torch.bool) if labels is None else predicted != labels


def confidences(classifier: Classifier, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest probability of inputs `(B, *shape)`, `(B,)`, and its class `(B,)`.

    The softmax is taken in float64: in float32 those of a confident network are 1, and all equal.
    """
    with full_precision(), frozen(classifier), torch.no_grad():
        logits = first_logits(classifier, inputs)
    check_finite(logits)
    confidence, predicted = logits.double().softmax(1).max(1)
    return confidence, predicted
