"""Feature inversion: inputs that a network sees as others, made from images of something else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_images, frozen, full_precision
from advcore.derived.derivation import Made
from advcore.norms import per_sample
from advcore.penultimate import last_features
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Inverted:
    """Another image, moved until the network sees in it what it sees in the sample.

    It minimises `f(x_r) = ||g(x_r) - g(x)||_2 / ||g(x)||_2` over `x_r`, with `g` what the last
    layer of the network reads. On a robust network this is D_R of Ilyas et al. 2019 (Adversarial
    examples are not bugs, they are features), on a plain one D_NR. Labels stay those of the sample
    `x`. A study says beside these settings `of` which data set and with which `model`.

    A step is `x_r <- x_r - t df / ||df||_2`, clipped to the box. Its length `t` is `step_size`, or
    `f / ||df||_2` where that is shorter: there a linear `f` would be 0 (Polyak 1969). The nearest
    `x_r` on the way is kept.

    With a `share` s below 1 features are interpolated: in place of `g(x)` stands
    `s g(x) + (1 - s) g(x_0)`, with `x_0` the input that it begins at (Engstrom et al. 2019,
    Adversarial robustness as a prior for learned representations).

    Columns: `residual`, `f` of the input that is stored, in float32, inf where what it should see
    is 0 and was not reached; `before`, `f` of the input that it began at; `distance`, l2, from the
    sample, in pixel units; `began_at`, index of the other sample, -1 for noise.

    Attributes:
        begin_at: input to begin at: `other_image`, another sample of the data set, drawn by (seed,
            index) among all others, so that a subset draws another, and that in a union may be the
            same image under another index; or `noise`, uniform in [0, 1].
        steps: number of steps, of one pass forward and backward each.
        step_size: length of a step, l2, in pixel units.
        box: keep to [0, 1]; the inputs must lie there.
        share: share s of the sample's features in what it should see, in [0, 1].
    """

    begin_at: Literal["other_image", "noise"] = "other_image"
    steps: int = 300
    step_size: float = 0.1
    box: bool = True
    share: float = field(default=1.0, metadata={"later": True})

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must lie in [0, 1]; got {self.share}")
        if self.steps < 1 or not self.step_size > 0:
            raise ValueError(
                "steps must be at least 1 and step_size above 0; got "
                f"{self.steps} and {self.step_size}"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise nothing: the layers of the network are looked at by `check_layers`."""

    def check_layers(self, classifier: Classifier, inputs: Tensor) -> None:
        """Raise ValueError for a classifier without a last layer."""
        with last_features(classifier, inputs):
            pass

    def paired(self) -> bool:
        """Return whether it begins at other samples."""
        return self.begin_at == "other_image"

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether it clips to the box."""
        return inside and self.box

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the inverted inputs of one batch; labels stay."""
        inputs = check_images(batch.inputs) if self.box else batch.inputs
        start, began_at = self._start(batch, randomness)
        with (
            full_precision(),
            frozen(classifier),
            last_features(classifier, inputs) as features,
        ):
            with torch.no_grad():
                goal = features(inputs)
                if self.share < 1:
                    goal = torch.lerp(features(start), goal, self.share)
            nearest = self._nearest(features, goal, start)
            made = nearest.float().to(inputs.dtype)  # as it is stored
            with torch.no_grad():
                before, residual = (_relative(features(own), goal) for own in (start, made))
        columns = {
            "residual": residual,
            "before": before,
            "distance": (made - inputs).flatten(1).norm(dim=1),
            "began_at": began_at,
        }
        return Made(made, batch.labels, columns)

    def _start(self, batch: Batch, randomness: Randomness) -> tuple[Tensor, Tensor]:
        """Return the inputs to begin at, and the indices of their samples."""
        if not self.paired():
            noise = randomness.stream("begin").uniform(batch.inputs.shape[1:])
            return noise.to(batch.inputs), torch.full_like(batch.indices, -1)
        if batch.others is None:
            raise ValueError(
                "begin_at: other_image needs batches with `others`, another sample for each; got "
                "one without: give them, or take begin_at: noise"
            )
        return batch.others.inputs, batch.others.indices

    def _nearest(self, features: Features, goal: Tensor, start: Tensor) -> Tensor:
        """Return the nearest of all that is visited."""
        here, nearest = start.detach(), start.detach()
        least = goal.new_full((len(goal),), torch.inf)
        for _ in range(self.steps + 1):
            here.requires_grad_()
            square = (features(here) - goal).square().sum(1)
            (slope,) = torch.autograd.grad(square.sum() / 2, here)  # ||v|| d||v||, and no NaN at 0
            here, square = here.detach(), square.detach()
            nearest = torch.where(per_sample(square < least, here), here, nearest)
            least = square.minimum(least)
            here = here - self._step(slope, square)
            here = here.clamp(0, 1) if self.box else here
        return nearest

    def _step(self, slope: Tensor, square: Tensor) -> Tensor:
        """Return a step along `slope` `(B, *shape)`, which is `||v|| d||v||` with `square` ||v||^2.

        Polyak's length is then `||v||^2 / ||slope||`.
        """
        steepness = slope.flatten(1).norm(dim=1).clamp(min=torch.finfo(slope.dtype).tiny)
        length = (square / steepness).clamp(max=self.step_size)
        return slope * per_sample(length / steepness, slope)


def _relative(features: Tensor, goal: Tensor) -> Tensor:
    """Return `||features - goal|| / ||goal||` `(B,)`, 0 where they agree."""
    away = (features - goal).norm(dim=1)
    return torch.where(away == 0, away, away / goal.norm(dim=1))
