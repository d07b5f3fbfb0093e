"""DeepFool (Moosavi-Dezfooli et al. 2016): minimal perturbations by repeated linearisation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, Status, Tries, solve
from advcore.attacks.halfspace import reach
from advcore.attacks.linearisation import closest, closest_again
from advcore.attacks.refinement import Climb, draw_back, turned
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm, per_sample
from advcore.randomness import Randomness


@dataclass(frozen=True)
class DeepFool:
    """Shortest `r` with `x + r` adversarial: linearise the logits at `x + r`, step onto the closest of the linearised
    boundaries, add the step to `r`, until `x + (1 + overshoot) r` is adversarial.

    One step goes to the class `k` with the smallest `d_k = |z_k - z_rival| / ||w_k||_q`, `w_k` the gradient of that difference,
    by `max(d_k, least_step)` along the steepest unit vector of `w_k`. The linearisation point carries no overshoot, as in the
    authors' MATLAB code and in the margins of Ortiz-Jimenez et al. 2020; their Python code linearises at `x + (1 + overshoot) r`.

    The first linearisation takes the gradients of all classes, the later ones those of the classes that can be the closest if no
    `||w_k||_q` has grown by half since it was last looked at (`linearisation.closest_again`). That is a heuristic: a step may go
    to another class than the closest. On a LeNet it does in about one step of 100 in DCT blocks, in fewer in the whole space.

    Inside the box, a result that took more than one step is made shorter by five queries: it is turned halfway towards the point
    of the last linearised boundary that is closest to `x`, where that is adversarial, and drawn back onto the boundary. Without
    the box it is the published one.

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
        origin, current, result, feet = images, images, images.clone(), images.clone()
        active = torch.arange(len(images), device=images.device)
        own, rest = classifier, criterion
        first = boundary = closest(norm, own, images, rest, self.classes)
        queries, gradients = torch.ones_like(first.looks), first.looks.clone()
        reached: Tensor | None = None
        for step in range(self.steps):
            if step:
                boundary = closest_again(norm, own, current, rest, boundary)
                queries[active] += boundary.looks
                gradients[active] += boundary.looks
            way = self._reach(norm, current, boundary.normal, torch.maximum(boundary.gap, self.least_step * boundary.length))
            if self.box:
                beyond = (boundary.gap + (boundary.normal * (current - origin)).flatten(1).sum(1)).clamp(min=0)
                feet[active] = origin + self._reach(norm, origin, boundary.normal, beyond)
            current = self._clip(current + way)
            tried = self._clip(origin + (1 + self.overshoot) * (current - origin))
            with torch.no_grad():
                logits = own(tried)
            done = rest.holds(logits) | (norm.size(way) == 0)
            queries[active] += 1
            result[active] = tried
            reached = logits if reached is None else reached.index_copy(0, active, logits)
            keep = (~done).nonzero()[:, 0]
            if not len(keep):
                break
            active, origin, current, boundary = active[keep], origin[keep], current[keep], boundary.take(keep)
            own, rest = take_rows(own, keep), rest.take(keep)
        several = (gradients > first.looks).nonzero()[:, 0]
        if self.box and len(several):
            goal = criterion.take(several)
            climb = Climb.of(take_rows(classifier, several), images[several], goal, first.logits[several])
            short = self._shortened(norm, climb, result[several] - images[several], feet[several] - images[several])
            result[several] = images[several] + short
            queries[several] += climb.queries
        return Tries(result, queries, gradients, None if self.box else reached)

    def _shortened(self, norm: Norm, climb: Climb, way: Tensor, foot: Tensor) -> Tensor:
        """Perturbations `(n, *shape)` turned halfway to a foot where that is adversarial, and drawn back to the boundary."""
        tried = turned(norm, climb, way, foot, torch.full_like(climb.lead, 0.5), self.box)
        margin = climb.margin(tried)
        way = torch.where(per_sample(margin > 0, way), tried, way)
        unturned = (margin <= 0).nonzero()[:, 0]
        if len(unturned):
            margin[unturned] = climb.take(unturned).margin(way[unturned])
        return draw_back(climb, way, margin)

    def _reach(self, norm: Norm, origin: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """The way to a linearised boundary: 0 where no gradient differs, or where the box leaves none."""
        return reach(norm, origin, normal, gap, self.box and norm is norms.L1)

    def _clip(self, images: Tensor) -> Tensor:
        return images.clamp(0, 1) if self.box else images
