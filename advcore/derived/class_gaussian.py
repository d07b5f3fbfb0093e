"""Inputs drawn from a Gaussian of each class: what images of a class are before details."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.derived.derivation import Made
from advcore.learnt import Learnt
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class ClassGaussian:
    """One draw for each sample, from the Gaussian of its label's class; the sample is not used.

    `x = mean_y + sum_i sqrt(variance_yi) z_i axis_yi` with standard normal `z`, of (seed, index):
    a Gaussian of low rank. It is where Santurkar et al. 2019 (Image synthesis with a single
    (robust) classifier) begin to paint a class. A study says beside these settings of which data
    set the labels are.

    Column: `clipped`, the l2 length of what the box cuts off, in pixel units.

    Attributes:
        fit: fit with tensors `mean` (K, *shape), `count` (K,), `axes` (K, rank, *shape) and
            `variance` (K, rank), as `class_statistics` learns.
        rank: number of leading axes; all when none. At 0 it is the mean of the class.
        box: clip what comes out to [0, 1].
    """

    fit: Learnt
    rank: int | None = None
    box: bool = True

    def __post_init__(self) -> None:
        if self.rank is not None and self.rank < 0:
            raise ValueError(f"rank must be 0 or more, or none for all axes; got {self.rank}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for a fit of other inputs or classes, or of fewer axes."""
        mean, axes = self.fit.shape_of("mean"), self.fit.shape_of("axes")
        if mean is None or axes is None:
            return
        self.fit.shape_of("variance")
        self.fit.shape_of("count")
        if mean != (classes, *shape) or axes[1] < (self.rank or 0):
            raise ValueError(
                f"the fit {self.fit.name} has means {mean} and {axes[1]} axes a class; "
                f"{(classes, *shape)} and at least {self.rank or 0} are needed"
            )

    def fits(self) -> tuple[Learnt, ...]:
        """Return the fit of the Gaussians."""
        return (self.fit,)

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether it clips to the box."""
        return self.box

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the draws of one batch; labels stay."""
        self._check_counts(batch.labels)
        axes, variance = (self.fit[name][:, : self.rank].double() for name in ("axes", "variance"))
        z = randomness.stream("gaussian").normal((axes.shape[1],)).double().cpu()
        labels = batch.labels.cpu()
        scaled = z * variance[labels].sqrt()
        drawn = self.fit["mean"].double()[labels]
        drawn = drawn + torch.einsum("br,br...->b...", scaled, axes[labels])
        drawn = drawn.float().to(batch.inputs)
        made = drawn.clamp(0, 1) if self.box else drawn
        return Made(made, batch.labels, {"clipped": (made - drawn).flatten(1).norm(dim=1)})

    def _check_counts(self, labels: Tensor) -> None:
        """Raise ValueError for a class of which the fit has seen no sample."""
        counts = self.fit["count"].to(labels.device)[labels]
        if not counts.all():
            raise ValueError(
                f"the fit {self.fit.name} has seen no sample of class {int(labels[counts == 0][0])}"
                ": learn it from data that have some"
            )
