"""Inputs moved towards the nearest exemplar of another class, or of their own, inside a ball."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_images
from advcore.derived.derivation import Made
from advcore.learnt import Learnt
from advcore.norms import NormName, check_norm, norm_by_name
from advcore.pairwise import sample_distances
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

Goal = Literal["other_class", "same_class"]


@dataclass(frozen=True)
class Towards:
    """Each input moved towards its nearest exemplar, as far as a ball around it reaches.

    It is the point of the ball `||x' - x|| <= eps` that is nearest in l2 to the exemplar g, itself
    the nearest in l2 among those of another class than the label of x: `x' = x + P(g - x)`, with P
    the projection onto the ball. In linf each coordinate goes to that of g, at most by eps; in l2
    the whole goes straight there. No network is looked at. Where a judge then sees the class of g,
    a network that keeps the label of x is too invariant (Tramer et al. 2020, Fundamental tradeoffs
    between invariance and sensitivity to adversarial perturbations, algorithm 1, without its
    rotations and translations of g).

    A study says beside these settings `of` which data set they are made.

    Columns: `distance`, the size of what was added, in the norm and pixel units; `left`, the l2
    length of what is left to g; `exemplar`, number of g in the fit; `target`, its label.

    Attributes:
        fit: fit with tensors `inputs` `(n, *shape)` and `labels` `(n,)`, as `exemplars` learns; or
            with a `mean` of each class, `(K, *shape)`, and its `count` `(K,)`, as
            `class_statistics` does: then the means of classes that have samples are the exemplars.
        eps: radius of the ball in pixel units.
        norm: norm of the ball.
        goal: exemplars among which the nearest is searched: those of an `other_class` than the
            label of the input, or of the `same_class`. An input that is itself among them is the
            nearest of its class.
        labels: labels of what is made: `true`, those of the inputs, or `target`, of the exemplars.
        box: keep to [0, 1]; the inputs must lie there.
    """

    fit: Learnt
    eps: float
    norm: NormName = "linf"
    goal: Goal = "other_class"
    labels: Literal["true", "target"] = "true"
    box: bool = True

    def __post_init__(self) -> None:
        check_norm(self.norm, NormName)
        if not 0 <= self.eps < torch.inf:
            raise ValueError(f"eps must be a finite number >= 0 in pixel units; got {self.eps}")

    @property
    def misleads(self) -> bool:
        """True where the labels are the exemplars'."""
        return self.labels == "target"

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for a fit without exemplars of such inputs.

        Where what is made has the exemplars' labels, these must lie below `classes`: once the fit
        has its tensors, before which they are not known.
        """
        self._check_shape(shape)
        if self.labels == "target" and self.fit.tensors is not None:
            largest = int(self._labels().max())
            if largest >= classes:
                raise ValueError(
                    f"the fit {self.fit.name} has exemplars of class {largest}, which would be "
                    f"labels; there are {classes} classes"
                )

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        there = self.fit.shape_of("inputs", "mean")
        if there is None:
            return
        self.fit.shape_of("labels", "count")
        if there[1:] != tuple(shape):
            raise ValueError(
                f"the fit {self.fit.name} has exemplars {there}; some of inputs {tuple(shape)} are "
                "needed"
            )

    def fits(self) -> tuple[Learnt, ...]:
        """Return the fit of the exemplars."""
        return (self.fit,)

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether it clips to the box."""
        return inside and self.box

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the moved inputs of one batch."""
        inputs = check_images(batch.inputs) if self.box else batch.inputs
        exemplars, labels = self._exemplars(inputs)
        nearest = self._nearest(batch, exemplars, labels)
        goals, norm = exemplars[nearest], norm_by_name(self.norm)
        made = inputs + norm.project(goals - inputs, self.eps)
        made = made.clamp(0, 1) if self.box else made
        made = made.float().to(inputs.dtype)  # as it is stored
        target = labels[nearest]
        columns = {
            "distance": norm.size(made - inputs),
            "left": (goals - made).flatten(1).norm(dim=1),
            "exemplar": nearest,
            "target": target,
        }
        return Made(made, batch.labels if self.labels == "true" else target, columns)

    def _exemplars(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the exemplars `(n, *shape)` and their labels `(n,)`."""
        self._check_shape(tuple(inputs.shape[1:]))
        labels = self._labels().to(inputs.device)
        if "inputs" in (self.fit.shapes or {}):
            return self.fit["inputs"].to(inputs), labels
        return self.fit["mean"].to(inputs)[labels], labels

    def _labels(self) -> Tensor:
        """Return the labels of the exemplars; classes without samples have no mean."""
        if "inputs" in (self.fit.shapes or {}):
            return self.fit["labels"]
        return self.fit["count"].nonzero()[:, 0]

    def _nearest(self, batch: Batch, exemplars: Tensor, labels: Tensor) -> Tensor:
        """Return the number of each input's exemplar, `(B,)`; the first of equally near ones."""
        same = batch.labels[:, None] == labels
        wanted = same if self.goal == "same_class" else ~same
        lone = (~wanted.any(1)).nonzero()[:, 0]
        if len(lone):
            kind = "the class" if self.goal == "same_class" else "another class than"
            raise ValueError(
                f"the fit {self.fit.name} has no exemplar of {kind} "
                f"{int(batch.labels[lone[0]])}: learn it from data that have some"
            )
        distances = sample_distances(batch.inputs, exemplars)
        return distances.masked_fill(~wanted, torch.inf).argmin(1)
