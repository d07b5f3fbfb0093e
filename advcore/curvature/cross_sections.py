"""Cross-sections of the input space: labels and loss on a plane through each image.

Article: eq. 6, Figs. 3 and 4b.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.batch_rows import rows_at_once
from advcore.classifier import (
    Classifier,
    check_images,
    check_labels,
    first_logits,
    frozen,
    full_precision,
)
from advcore.criteria import as_labels
from advcore.curvature.displaced import logits_at_offsets, points_at_a_time
from advcore.norms import L2


@dataclass(frozen=True, eq=False)
class CrossSections:
    """Labels and loss of a classifier on a plane through each image.

    `[b, i, j]` is at `x_b + grid[b, i] u_b + grid[b, j] w_b`.

    - `labels` `(B, n, n)` int64, the predicted classes; `loss` `(B, n, n)`, cross-entropy with the
      sample's label.
    - `grid` `(B, n)`, pixel units; `first`, `second` `(B, D)`: u and w, orthonormal, or 0 (see
      `plane`).
    """

    labels: Tensor
    loss: Tensor
    grid: Tensor
    first: Tensor
    second: Tensor


def plane_basis(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return two orthonormal vectors u, w, `(B, D)` each, of the plane that two vectors span.

    u points along `first`, w lies in the span of both `(B, *shape)`.

    Where `first` is 0, u is; where `second` is parallel to it, or 0, w is: the cross-section is
    then constant along that axis.
    """
    u, w = L2.steepest(first.flatten(1)), L2.steepest(second.flatten(1))
    for _ in range(2):  # twice is enough
        w = w - (w * u).sum(1, keepdim=True) * u
    parallel = L2.size(w) <= 100 * torch.finfo(w.dtype).eps
    return u, L2.steepest(w).masked_fill(parallel[:, None], 0)


def landscape(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    first: Tensor,
    second: Tensor,
    grid: Tensor,
    rows: int | None = None,
) -> CrossSections:
    """Return labels and loss at all pairs of grid points in planes through images.

    `first` and `second` `(B, *shape)` span the planes. There is no box.

    Directions of interest: the boundary's normal (`boundary.ShapeOperator.normal`, or a minimal
    perturbation), eigenvectors of the Hessian, random ones.

    Args:
        labels: `(B,)`, of the loss.
        grid: `(n,)` distances from the image in pixel units, or `(B, n)`, each sample its own.
        rows: at most so many images go forward at a time, and one a sample if that is more, see
            `batch_rows.rows_at_once`; 1,024 at most when None. Only memory depends on it.
    """
    check_images(images, -torch.inf, torch.inf)
    samples = len(images)
    for vectors in (first, second):
        if len(vectors) != samples or vectors.numel() != images.numel():
            raise ValueError(
                f"directions must have the images' shape, {tuple(images.shape)}; got "
                f"{tuple(vectors.shape)}"
            )
    if grid.dim() not in (1, 2) or (grid.dim() == 2 and len(grid) != samples):
        raise ValueError(
            f"grid must be (n,), or ({samples}, n) for {samples} images; got {tuple(grid.shape)}"
        )
    grid = grid.to(images.dtype).expand(samples, -1)
    count, rows = grid.shape[1], rows_at_once(rows, images, 1024)
    u, w = plane_basis(first, second)
    steps = torch.cartesian_prod(torch.arange(count), torch.arange(count)).to(images.device)
    predicted, losses = [], []
    labels = as_labels(labels)
    with full_precision(), frozen(classifier), torch.no_grad():
        logits = first_logits(classifier, images)
        check_labels(labels, samples, logits.shape[1])
        for some in steps.split(points_at_a_time(samples, rows)):
            shift = grid[:, some[:, 0], None] * u[:, None] + grid[:, some[:, 1], None] * w[:, None]
            logits = logits_at_offsets(classifier, images, shift)
            predicted.append(logits.argmax(2))
            losses.append(
                F.cross_entropy(logits.mT, labels[:, None].expand(-1, len(some)), reduction="none")
            )
    shape = (samples, count, count)
    return CrossSections(
        torch.cat(predicted, 1).view(shape), torch.cat(losses, 1).view(shape), grid, u, w
    )
