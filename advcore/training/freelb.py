"""FreeLB: adversarial training of word vectors, all of whose steps train (Zhu et al. 2020)."""

from dataclasses import dataclass
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore import norms
from advcore.logit_gradients import leaf
from advcore.modules import uncompiled
from advcore.places import filled
from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class FreeLB:
    """The mean cross-entropy over K steps of an ascent, `1 / K sum_k CE(x + r_k)`.

    `r_0` is uniform in a cube, each number within `start / sqrt(n)` of 0, n the numbers of the
    words that are there; then `r_{k+1} = r_k + step g / ||g||_F`, g the gradient of the loss in the
    input, and, with a `limit`, r is drawn back to that Frobenius norm. The gradient of the weights
    is the mean of those at all K points, from the same passes as g. Empty places of sequences `(B,
    T, E)`, rows of 0, stay; there is no box.

    The published code has no limit by default, so that the length of what is trained on grows with
    `steps` times `step`; it draws one dropout mask for all K passes, here each pass draws its own.

    Attributes:
        steps: number K of points; 2 to 4 in the published settings.
        step: length of a step, Frobenius norm; .03 to .1 there.
        start: size of the start; its expected length is about `start / sqrt(3)`. 0 to .6 there.
        limit: largest Frobenius norm of r; None for no limit.
        weight: weight of the term.
    """

    steps: int = 2
    step: float = 0.1
    start: float = 0.6
    limit: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        for name, value in {"step": self.step, "start": self.start}.items():
            if not 0 <= value < inf:
                raise ValueError(f"{name} must be a finite length, not negative; got {value}")
        if self.limit is not None and not self.limit > 0:
            raise ValueError(f"limit must be positive, or None for none; got {self.limit}")

    @property
    def box(self) -> bool:
        """False: word vectors have none."""
        return False

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        places = filled(images)
        moved, total = self._start(images, places, randomness), images.new_zeros(())
        with uncompiled():  # compiled passes give one gradient each
            for left in reversed(range(self.steps)):
                tried = leaf(images + moved)
                loss = F.cross_entropy(network(tried), labels, reduction="none")
                total = total + loss.mean() / self.steps
                if left:
                    gradient = input_gradient(loss, tried)
                    moved = self._limited(moved + self.step * norms.L2.steepest(gradient * places))
        return total

    def _start(self, images: Tensor, places: Tensor, randomness: Randomness) -> Tensor:
        drawn = 2 * randomness.stream("start").uniform(images.shape[1:]).to(images) - 1
        count = places.expand_as(images).flatten(1).sum(1).clamp(min=1)
        return self._limited(
            drawn * places * norms.per_sample(self.start / count.to(images).sqrt(), images)
        )

    def _limited(self, moved: Tensor) -> Tensor:
        return moved if self.limit is None else norms.L2.project(moved, self.limit)


def input_gradient(loss: Tensor, inputs: Tensor) -> Tensor:
    """Return the gradient of the loss of each sample `(B,)` in its input; the graph stays."""
    (gradient,) = torch.autograd.grad(loss.sum(), inputs, retain_graph=True)
    return gradient
