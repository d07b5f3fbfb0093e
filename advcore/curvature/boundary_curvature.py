"""Principal curvatures of the decision boundary.

Source: Fawzi et al. 2018, Empirical study of the topology and geometry of networks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.attacks import Attack, Bisected, MinimalNorm, bisect
from advcore.classifier import Classifier, check_images, check_labels, full_precision, predict
from advcore.criteria import Untargeted
from advcore.curvature.hessian import Hessian, input_hessian, symmetric_eigenvalues
from advcore.margins import check_attack
from advcore.norms import L2, Radius, per_sample
from advcore.randomness import Randomness


@dataclass(frozen=True, eq=False)
class BoundaryPoints:
    """Points where the shortest way out of the predicted class crosses the decision boundary.

    - `images` `(B, *shape)`: on the boundary, to a share of 2^-steps of the way, on its far side;
      the image where none was found.
    - `found` `(B,)` bool.
    - `beyond`, `own` `(B,)`: the classes that the boundary parts: of the point, and of the image;
      equal where none was found.
    """

    images: Tensor
    found: Tensor
    beyond: Tensor
    own: Tensor


def boundary_points(
    classifier: Classifier,
    images: Tensor,
    steps: int = 30,
    attack: Attack | None = None,
    randomness: Randomness | None = None,
) -> BoundaryPoints:
    """Return the boundary points at the end of minimal l2 perturbations of images.

    Images are `(B, C, H, W)`; there is no box, and the points are bisected.

    Args:
        steps: of the bisection.
        attack: a minimal-norm l2 attack without a box, see `advcore.margins.check_attack`;
            `MinimalNorm` when None. Where it ends decides what is seen: DeepFool's ends are 1.3 to
            1.4 times as far as the nearest point on digits, and the boundary curves otherwise there
            (at the nearest point it bends away from the sample, as a ball around it does).
    """
    attack = MinimalNorm(norm="l2", box=False) if attack is None else attack
    check_attack(attack)
    with full_precision():
        own = predict(classifier, images)
        criterion = Untargeted(own)
        result = Bisected(attack)(classifier, images, criterion, randomness)
        outside = torch.where(per_sample(result.found, images), result.images, images)
        share = bisect(classifier, images, outside, criterion, steps)
        points = torch.lerp(images, outside, per_sample(share, images))
        return BoundaryPoints(points, result.found, predict(classifier, points), own)


def logit_difference(first: Tensor, second: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the objective `F = z_first - z_second` for classes `(B,)`.

    It is 0 on the boundary between the two.
    """

    def value(logits: Tensor) -> Tensor:
        for classes in (first, second):
            check_labels(classes, len(logits), logits.shape[1])
        return (logits.gather(1, first[:, None]) - logits.gather(1, second[:, None]))[:, 0]

    return value


class ShapeOperator:
    """`S_b = P H P / ||g||`, `P = I - n n^T`, `n = g / ||g||`.

    Its eigenvalues are curvatures of the level set of a function F through each point.

    g and H are the gradient and the Hessian of F at the point. On the tangent space the eigenvalues
    of S are the principal curvatures, 1 / pixel unit; n adds the eigenvalue 0. They are positive
    where a step along the tangent raises F. All 0 where g vanishes.
    """

    def __init__(self, hessian: Hessian) -> None:
        self._hessian = hessian
        self.normal = L2.steepest(hessian.gradient)
        """n, `(B, D)`."""
        self.slope = L2.size(hessian.gradient)
        """`||g||`, `(B,)`, logits per pixel unit."""

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and dimension, (B, D)."""
        return self._hessian.shape

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """`(B, D)` to `(B, D)`."""
        return self._per_slope(self._tangent(self._hessian @ self._tangent(vectors)))

    def dense(self) -> Tensor:
        """Return the whole matrix, `(B, D, D)`, from the dense Hessian."""
        identity = torch.eye(self.shape[1], dtype=self.normal.dtype, device=self.normal.device)
        projection = identity - self.normal[:, :, None] * self.normal[:, None, :]
        return self._per_slope(projection @ self._hessian.dense() @ projection)

    def _tangent(self, vectors: Tensor) -> Tensor:
        return vectors - (vectors * self.normal).sum(1, keepdim=True) * self.normal

    def _per_slope(self, values: Tensor) -> Tensor:
        slope = per_sample(self.slope, values)
        return torch.where(slope > 0, values / slope, 0)


class Tangential:
    """A shape operator in `D - 1` orthonormal coordinates of the tangent space.

    The principal curvatures are all its eigenvalues.

    The coordinates are the last D - 1 after Householder's reflection that turns the normal onto the
    first axis.
    """

    def __init__(self, operator: ShapeOperator) -> None:
        self._operator = operator
        sign = torch.where(operator.normal[:, :1] < 0, -1.0, 1.0).to(operator.normal.dtype)
        self._mirror = L2.steepest(
            torch.cat([operator.normal[:, :1] + sign, operator.normal[:, 1:]], 1)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and dimension, (B, D - 1)."""
        return self._operator.shape[0], self._operator.shape[1] - 1

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """`(B, D - 1)` to `(B, D - 1)`."""
        lifted = self._reflect(torch.nn.functional.pad(vectors, (1, 0))[:, None])[:, 0]
        return self._reflect((self._operator @ lifted)[:, None])[:, 0, 1:]

    def dense(self) -> Tensor:
        """Return the whole matrix, `(B, D - 1, D - 1)`, from the dense Hessian."""
        return self._reflect(self._reflect(self._operator.dense()).mT)[:, 1:, 1:]

    def _reflect(self, rows: Tensor) -> Tensor:
        """Return the mirror image of each row of `(B, n, D)`."""
        return rows - 2 * (rows @ self._mirror[:, :, None]) * self._mirror[:, None, :]


def shape_operator(
    classifier: Classifier, points: Tensor, first: Tensor, second: Tensor, step: Radius = 0.0
) -> ShapeOperator:
    """Return the shape operator of the boundary between classes at points `(B, *shape)` on it.

    The classes are `first` and `second`, `(B,)`.

    With `first` the class beyond and `second` the image's own, a positive curvature bends the
    boundary towards the image's side: a tangent step leaves its class. A sphere of radius r around
    the own class has all 1/r.

    Args:
        step: 0 for the exact Hessian of `z_first - z_second`, which is exactly 0 for a piecewise
            linear network (ReLU, max-pooling): its boundary is flat but for its edges. There a step
            h (l2, pixel units) shows by how much it bends over that length (`DifferenceHessian`);
            the normal is the one at the point itself.
    """
    check_images(points, -torch.inf, torch.inf)
    return ShapeOperator(input_hessian(classifier, points, logit_difference(first, second), step))


def principal_curvatures(
    classifier: Classifier, points: Tensor, first: Tensor, second: Tensor, step: float = 0.0
) -> Tensor:
    """Return all D - 1 principal curvatures, descending, `(B, D - 1)`, in 1 / pixel unit.

    They are NaN where the gradient vanishes.

    D Hessian products and a D x D eigenproblem a sample; see `shape_operator` for signs and `step`.
    For the extreme ones of a large D: `lanczos(Tangential(shape_operator(...)), ..., Ends(top,
    bottom), ...)`; at a step, look at the residuals (see `DifferenceHessian`).
    """
    with full_precision():
        operator = shape_operator(classifier, points, first, second, step)
        values = symmetric_eigenvalues(Tangential(operator).dense())
    return values.masked_fill((operator.slope == 0)[:, None], torch.nan)
