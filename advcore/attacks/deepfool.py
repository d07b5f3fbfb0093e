"""DeepFool (Moosavi-Dezfooli et al. 2016): minimal perturbations by repeated linearisation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, Status, Tries, solve
from advcore.attacks.halfspace import reach
from advcore.attacks.linearisation import halfspaces
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm
from advcore.randomness import Randomness


@dataclass(frozen=True)
class DeepFool:
    """Shortest `r` with `x + r` adversarial: linearise the logits at `x + r`, step onto the closest of the linearised
    boundaries, add the step to `r`, until `x + (1 + overshoot) r` is adversarial.

    One step goes to the class `k` with the smallest `d_k = |z_k - z_rival| / ||w_k||_q`, `w_k` the gradient of that difference,
    by `max(d_k, least_step)` along the steepest unit vector of `w_k`. The linearisation point carries no overshoot, as in the
    authors' MATLAB code and in the margins of Ortiz-Jimenez et al. 2020; their Python code linearises at `x + (1 + overshoot) r`.

    Guarantee: an upper bound on the minimal distance; (1 + overshoot) times the exact one for affine classifiers, without the box.

    Attributes:
        norm: in which the perturbation is short.
        steps: linearisations at most.
        overshoot: how far beyond the linearised boundary the result goes, as a share of `r`; it counts in the distance.
        classes: how many classes may become the adversarial one: the likeliest at `x`, as published.
        least_step: shortest step in pixel units, against stalling.
        box: keep `x + r` in [0, 1]. In l2 and linf a step is clipped: it falls short of its boundary where pixels are at their
            limit, the next linearisation makes up for it, and the result is shorter than by exact steps inside the box. In l1,
            where a step moves one pixel, it is the exact one (`halfspace.reach`). The article's margins have no box.
    """

    norm: Literal["l1", "l2", "linf"] = "l2"
    steps: int = 100
    overshoot: float = 0.02
    classes: int = 9
    least_step: float = 1e-4
    box: bool = True

    def __post_init__(self) -> None:
        norms.get(self.norm)
        for name in ("steps", "classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name in ("overshoot", "least_step"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative; got {getattr(self, name)}")

    def __call__(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness | None = None
    ) -> Adversarial:
        return solve(self._search, norms.get(self.norm), Status.FAILED, classifier, images, criterion, randomness, self.box)

    def _search(self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness) -> Tries:
        norm = norms.get(self.norm)
        with torch.no_grad():
            goals = criterion.goals(classifier(images), self.classes)
        origin, current, result = images, images, images.clone()
        active = torch.arange(len(images), device=images.device)
        queries = torch.ones(len(images), dtype=torch.int64, device=images.device)
        gradients = torch.zeros_like(queries)
        for _ in range(self.steps):
            step, alive = self._step(norm, classifier, current, criterion, goals)
            current = self._clip(current + step)
            tried = self._clip(origin + (1 + self.overshoot) * (current - origin))
            with torch.no_grad():
                done = criterion.holds(classifier(tried)) | ~alive
            queries[active] += 2
            gradients[active] += goals.shape[1] + 1
            result[active] = tried
            keep = (~done).nonzero()[:, 0]
            if not len(keep):
                break
            if len(keep) < len(active):
                active, origin, current, goals = active[keep], origin[keep], current[keep], goals[keep]
                classifier, criterion = take_rows(classifier, keep), criterion.take(keep)
        return Tries(result, queries, gradients)

    def _step(
        self, norm: Norm, classifier: Classifier, images: Tensor, criterion: Criterion, goals: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The step onto the closest linearised boundary, and which samples have one: none where no gradient differs, or
        where the box leaves no way."""
        gaps, normals = halfspaces(classifier, images, criterion, lambda logits: goals)
        gaps = gaps.abs()
        samples, columns = goals.shape
        lengths = norm.dual(normals.flatten(0, 1)).view(samples, columns)
        distances = torch.where(lengths > 0, gaps / lengths, torch.inf)
        nearest = distances.argmin(1, keepdim=True)
        everyone = torch.arange(samples, device=images.device)
        normal = normals[everyone, nearest[:, 0]]
        gap = torch.maximum(gaps.gather(1, nearest), self.least_step * lengths.gather(1, nearest))[:, 0]
        step = reach(norm, images, normal, gap, self.box and norm is norms.L1)
        return step, norm.size(step) > 0

    def _clip(self, images: Tensor) -> Tensor:
        return images.clamp(0, 1) if self.box else images
