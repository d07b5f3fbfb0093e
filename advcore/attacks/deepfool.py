"""DeepFool (Moosavi-Dezfooli et al. 2016): minimal perturbations by repeated linearisation."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.deepfool_walk import LinearisedWalk
from advcore.attacks.halfspace import step_to_hyperplane
from advcore.attacks.linearisation import closest
from advcore.attacks.refinement import AttackedSamples, shrink_to_boundary, turned
from advcore.attacks.search import solve
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm, NormName, per_sample
from advcore.randomness import Randomness


@dataclass(frozen=True)
class DeepFool:
    """Find the shortest `r` with `x + r` adversarial by linearising the logits.

    Linearise at `x + r`, step onto the closest of the linearised boundaries, add the step to `r`,
    until `x + (1 + overshoot) r` is adversarial.

    One step goes to the class `k` with the smallest `d_k = |z_k - z_rival| / ||w_k||_q`, `w_k` the
    gradient of that difference, by `max(d_k, least_step)` along the steepest unit vector of `w_k`.
    The linearisation point carries no overshoot, as in the authors' MATLAB code and in the margins
    of Ortiz-Jimenez et al. 2020; their Python code linearises at `x + (1 + overshoot) r`.

    Two things save passes. The first linearisation takes the gradients of all classes, the later
    ones those of the classes that may be the closest by how long their gradients were
    (`linearisation.update_closest`): a heuristic, by which a step may go to another class than the
    closest. In DCT blocks, on a LeNet, one margin of 20 differs by it from that of all gradients,
    up or down. And whether `x + (1 + overshoot) r` is adversarial is asked only where it may be: at
    once after a step that seems to arrive; else after the next linearisation, where a class is so
    close at `x + r` that the overshoot may gain what it lacks, if gradients do not grow by half on
    this little way. No sample was seen that ends elsewhere by that.

    Inside the box, a result that took more than one step is made shorter by five queries: it is
    turned halfway towards the point of the last linearised boundary that is closest to `x`, where
    that is adversarial, and drawn back onto the boundary. Without the box it is the published one.

    Guarantee: an upper bound on the minimal distance; (1 + overshoot) times the exact one for
    affine classifiers, without the box.

    Attributes:
        norm: norm in which the perturbation is short.
        steps: largest number of linearisations.
        overshoot: length by which the result goes beyond the linearised boundary, as a share of
            `r`; it counts in the distance.
        classes: number of classes that may become the adversarial one: the likeliest at `x`, as
            published.
        least_step: shortest step in pixel units, against stalling.
        box: keep `x + r` in [0, 1]. In l2 and linf a step is clipped: it falls short of its
            boundary where pixels are at their limit, the next linearisation makes up for it, and
            the result is shorter than by exact steps inside the box. In l1, where a step moves one
            pixel, it is the exact one (`halfspace.step_to_hyperplane`). The article's margins have
            no box.
    """

    norm: NormName = "l2"
    steps: int = 100
    overshoot: float = 0.02
    classes: int = 9
    least_step: float = 1e-4
    box: bool = True

    def __post_init__(self) -> None:
        norms.norm_by_name(self.norm)
        for name in ("steps", "classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name in ("overshoot", "least_step"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative; got {getattr(self, name)}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve(
            self._search,
            norms.norm_by_name(self.norm),
            Status.FAILED,
            classifier,
            images,
            criterion,
            randomness,
            self.box,
        )

    def _search(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        norm = norms.norm_by_name(self.norm)
        first = closest(norm, classifier, images, criterion, self.classes)
        walk = whole = LinearisedWalk.at(classifier, images, criterion, first)
        feet, moves = images.clone(), torch.zeros_like(first.looks)
        for step in range(self.steps):
            if step:
                walk = walk.linearised(norm)
                gain = GRADIENT_GROWTH * self.overshoot * norm.size(walk.current - walk.origin)
                walk = walk.take(~self._ask(walk, ~walk.asked & ~(walk.boundary.room > gain)))
                if not len(walk.active):
                    break
            boundary = walk.boundary
            way = self._way_to_boundary(
                norm,
                walk.current,
                boundary.normal,
                torch.maximum(boundary.gap, self.least_step * boundary.length),
            )
            if self.box:
                beyond = (
                    boundary.gap
                    + (boundary.normal * (walk.current - walk.origin)).flatten(1).sum(1)
                ).clamp(min=0)
                feet[walk.active] = walk.origin + self._way_to_boundary(
                    norm, walk.origin, boundary.normal, beyond
                )
            current, length = self._clip(walk.current + way), norm.size(way)
            moves[walk.active] += 1
            near = length * walk.shrinkage <= ARRIVAL_OVERSHOOTS * self.overshoot * norm.size(
                current - walk.origin
            )
            walk = replace(
                walk, current=current, asked=near | (length == 0) | (step == self.steps - 1)
            )
            walk = walk.take(~(self._ask(walk, walk.asked) | (length == 0)))
            if not len(walk.active):
                break
        several = (moves > 1).nonzero()[:, 0]
        if self.box and len(several):
            goal = criterion.take(several)
            attacked = AttackedSamples.of(
                take_rows(classifier, several), images[several], goal, first.logits[several]
            )
            short = self._shortened(
                norm,
                attacked,
                whole.result[several] - images[several],
                feet[several] - images[several],
            )
            whole.result[several] = images[several] + short
            whole.queries[several] += attacked.queries
        return SearchResult(
            whole.result, whole.queries, whole.gradients, None if self.box else whole.logits
        )

    def _ask(self, walk: LinearisedWalk, which: Tensor) -> Tensor:
        """Return whether `x + (1 + overshoot) r` is adversarial, where asked; else False.

        `(n,)` bool both.
        """
        rows = which.nonzero()[:, 0]
        if len(rows):
            beyond = (1 + self.overshoot) * (walk.current[rows] - walk.origin[rows])
            which = which.index_put((rows,), walk.ask(rows, self._clip(walk.origin[rows] + beyond)))
        return which

    def _shortened(
        self, norm: Norm, attacked: AttackedSamples, way: Tensor, foot: Tensor
    ) -> Tensor:
        """Turn perturbations `(n, *shape)` halfway to a foot where that is adversarial.

        Then draw them back to the boundary.
        """
        tried = turned(norm, attacked, way, foot, torch.full_like(attacked.lead, 0.5), self.box)
        margin = attacked.margin(tried)
        way = torch.where(per_sample(margin > 0, way), tried, way)
        unturned = (margin <= 0).nonzero()[:, 0]
        if len(unturned):
            margin[unturned] = attacked.take(unturned).margin(way[unturned])
        return shrink_to_boundary(attacked, way, margin)

    def _way_to_boundary(self, norm: Norm, origin: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """Return the way to a linearised boundary.

        It is 0 where no gradient differs, or where the box leaves none.
        """
        return step_to_hyperplane(norm, origin, normal, gap, self.box and norm is norms.L1)

    def _clip(self, images: Tensor) -> Tensor:
        return images.clamp(0, 1) if self.box else images


ARRIVAL_OVERSHOOTS = 2.0
"""A step seems to arrive if the way that is left after it, were it to shrink as the last one did,
is below so many overshoots."""

GRADIENT_GROWTH = 1.5
"""The factor by which gradients may grow on the way of the overshoot before an adversarial image
there is overlooked."""
