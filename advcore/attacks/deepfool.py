"""DeepFool (Moosavi-Dezfooli et al. 2016): minimal perturbations by repeated linearisation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, Status, Tries, solve
from advcore.attacks.halfspace import reach
from advcore.attacks.linearisation import Closest, closest, closest_again
from advcore.attacks.refinement import Climb, draw_back
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

    The first linearisation takes the gradients of all classes; the later ones those of the classes that can still be the closest
    if no `||w_k||_q` doubles from one to the next (`linearisation.closest_again`). That is a heuristic: where one more than
    doubles, a step may go to the second closest class. On a LeNet it misses the closest in about one step of 500.

    Guarantee: an upper bound on the minimal distance; (1 + overshoot) times the exact one for affine classifiers, without the box.

    Attributes:
        norm: in which the perturbation is short.
        steps: linearisations at most.
        overshoot: how far beyond the linearised boundary the result goes, as a share of `r`; it counts in the distance.
        classes: how many classes may become the adversarial one: the likeliest at `x`, as published.
        least_step: shortest step in pixel units, against stalling.
        box: keep `x + r` in [0, 1]. In l2 and linf a step is clipped: it falls short of its boundary where pixels are at their
            limit, the next linearisation makes up for it, and the result is shorter than by exact steps inside the box. In l1,
            where a step moves one pixel, it is the exact one (`halfspace.reach`). And a result that took more than one step is
            drawn back along `r` towards the boundary. The article's margins have no box, and keep the whole overshoot.
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
        tries = self._walk(norms.get(self.norm), classifier, images, criterion)
        curved = (tries.queries > 3).nonzero()[:, 0]  # one at x, and two a step
        if self.box and len(curved):
            climb = Climb.of(take_rows(classifier, curved), images[curved], criterion.take(curved))
            way = draw_back(climb, tries.images[curved] - images[curved])
            tries.images[curved] = images[curved] + way
            tries.queries[curved] += climb.queries
        return tries

    def _walk(self, norm: Norm, classifier: Classifier, images: Tensor, criterion: Criterion) -> Tries:
        """The published loop."""
        with torch.no_grad():
            goals = criterion.goals(classifier(images), self.classes)
        origin, current, result = images, images, images.clone()
        active = torch.arange(len(images), device=images.device)
        queries = torch.ones(len(images), dtype=torch.int64, device=images.device)
        gradients = torch.zeros_like(queries)
        lengths: Tensor | None = None
        for _ in range(self.steps):
            if lengths is None:
                boundary = closest(norm, classifier, current, criterion, goals)
            else:
                boundary = closest_again(norm, classifier, current, criterion, goals, lengths)
            step = self._step(norm, current, boundary)
            current = self._clip(current + step)
            tried = self._clip(origin + (1 + self.overshoot) * (current - origin))
            with torch.no_grad():
                done = criterion.holds(classifier(tried)) | (norm.size(step) == 0)
            queries[active] += 1 + (1 if lengths is None else boundary.looks)
            gradients[active] += boundary.looks
            result[active] = tried
            keep = (~done).nonzero()[:, 0]
            if not len(keep):
                break
            lengths = boundary.lengths[keep]
            if len(keep) < len(active):
                active, origin, current, goals = active[keep], origin[keep], current[keep], goals[keep]
                classifier, criterion = take_rows(classifier, keep), criterion.take(keep)
        return Tries(result, queries, gradients)

    def _step(self, norm: Norm, images: Tensor, boundary: Closest) -> Tensor:
        """The step onto the linearised boundary: 0 where no gradient differs, or where the box leaves no way."""
        gap = torch.maximum(boundary.gap, self.least_step * boundary.length)
        return reach(norm, images, boundary.normal, gap, self.box and norm is norms.L1)

    def _clip(self, images: Tensor) -> Tensor:
        return images.clamp(0, 1) if self.box else images
