"""SparseFool: sparse perturbations by walking, pixel by pixel, to DeepFool's boundary.

Source: Modas et al. 2019.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import l0
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.deepfool import DeepFool
from advcore.attacks.halfspace import step_to_hyperplane
from advcore.attacks.linearisation import halfspaces
from advcore.attacks.search import solve
from advcore.classifier import Classifier, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.randomness import Randomness

SparseNorm = Literal["l1", "l0", "pixels"]

CROSSING = 1e-3
"""Length, in l2, by which a walk goes beyond the hyperplane: as published."""


@dataclass(frozen=True)
class SparseFool:
    """Find `r` with few changed coordinates, `x + r` adversarial and in the box [0, 1].

    Repeat, until `x + (1 + overshoot) r` is adversarial,

        1. the boundary's point `x + r + d` closest in l2, by DeepFool, and its unit normal `n`
           there,
        2. `min ||s||_1` with `<n, s> = <n, control d> + 1e-3`, `x + r + s` in the box; add `s` to
           `r`

    (Modas et al., SparseFool: a few pixels make a big difference, CVPR 2019, algorithms 1 and 2).
    The second problem's solution is
    greedy: the coordinates in the order of `|n_i|`, each to its wall, the last one as far as
    needed. Published is a loop over the coordinates; here it is a sort and a cumulative sum for the
    whole batch (`halfspace.step_to_hyperplane`). Where all coordinates together do not reach the
    hyperplane, all go to their walls, and the next iteration starts there; a sample that is not
    adversarial after `steps` is not found.

    Guarantee: an upper bound on the minimal distance; exact in l1, up to overshoot and crossing,
    for an affine classifier with two classes and `control` 1.

    Attributes:
        norm: norm in which the distance counts: `l1`; `l0`, coordinates; `pixels`, those with any
            channel changed, as published. The perturbation is the same.
        steps: largest number of outer iterations; published with 20, run with 50.
        control: distance of the hyperplane, as a factor on the way to the boundary's point: the
            published lambda. 3 was published, for curved boundaries: it halves the iterations. Here
            1, since on a LeNet 3 makes l1 3.7 times longer, and an iteration is cheap.
        overshoot: length by which the result goes beyond the walk's end, as a share of `r`; inside
            the box.
        classes: number of classes that may become the adversarial one, as in `DeepFool`.
        box: keep `x + r` in [0, 1]. Without the box, one step moves one coordinate, however far.
    """

    norm: SparseNorm = "l1"
    steps: int = 20
    control: float = 1.0
    overshoot: float = 0.02
    classes: int = 9
    box: bool = True

    def __post_init__(self) -> None:
        norms.check_norm(self.norm, SparseNorm)
        for name in ("steps", "classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not 1 <= self.control < float("inf"):
            raise ValueError(
                "control must be finite and at least 1, or a walk ends before the boundary; "
                f"got {self.control}"
            )
        if not self.overshoot >= 0:
            raise ValueError(f"overshoot must not be negative; got {self.overshoot}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve(
            self._search,
            l0.size_by_name(self.norm),
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
        origin, current, result = images, images, images.clone()
        active = torch.arange(len(images), device=images.device)
        queries = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        gradients = torch.zeros_like(queries)
        for _ in range(self.steps):
            way, normal, spent = self._linearise(classifier, current, criterion)
            current = self._clip(current + self._walk(current, way, normal))
            tried = self._clip(origin + (1 + self.overshoot) * (current - origin))
            with torch.no_grad():
                done = criterion.holds(logits_of(classifier, tried)) | (norms.L2.size(normal) == 0)
            queries[active] += spent.queries + 3
            gradients[active] += spent.gradients + 1
            result[active] = tried
            keep = (~done).nonzero()[:, 0]
            if not len(keep):
                break
            if len(keep) < len(active):
                active, origin, current = active[keep], origin[keep], current[keep]
                classifier, criterion = take_rows(classifier, keep), criterion.take(keep)
        return SearchResult(result, queries, gradients)

    def _linearise(
        self, classifier: Classifier, images: Tensor, criterion: Criterion
    ) -> tuple[Tensor, Tensor, Adversarial]:
        """Return DeepFool's way to the boundary without overshoot, the normal and the cost.

        The normal there is a unit vector; 0 where there is none.
        """
        inner = DeepFool(classes=self.classes, overshoot=0.02, box=False)
        reached = inner(classifier, images, criterion)
        way = (reached.images - images) / (1 + inner.overshoot)
        with torch.no_grad():
            goal = criterion.goals(logits_of(classifier, reached.images), 1)
        _, _, normals = halfspaces(classifier, images + way, criterion, lambda logits: goal)
        return way, norms.L2.steepest(normals[:, 0]), reached

    def _walk(self, images: Tensor, way: Tensor, normal: Tensor) -> Tensor:
        """The sparse step beyond the hyperplane through `images + control way`."""
        gap = self.control * (normal * way).flatten(1).sum(1).clamp(min=0) + CROSSING
        return step_to_hyperplane(norms.L1, images, normal, gap, self.box)

    def _clip(self, images: Tensor) -> Tensor:
        return images.clamp(0, 1) if self.box else images
