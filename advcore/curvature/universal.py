"""Fooling by random vectors of a subspace, the same vectors for all samples.

Source: Moosavi-Dezfooli et al. 2018.
"""

import torch
from torch import Tensor

from advcore.batch_rows import rows_at_once
from advcore.classifier import Classifier, frozen, logits_of
from advcore.curvature.displaced import logits_at_offsets, points_at_a_time
from advcore.norms import L2
from advcore.randomness import Randomness


def random_vectors(
    randomness: Randomness, count: int, dimension: int, size: float, dtype: torch.dtype
) -> Tensor:
    """`(B, count, dimension)` vectors of l2 norm `size`, uniform over directions.

    In the span of the orthonormal rows of a basis `(m, D)`: `random_vectors(..., m, ...) @ basis`.
    Each sample of `randomness` has its own; give that of one sample for vectors that all share.
    """
    normal = randomness.stream("universal").normal((count, dimension)).to(dtype)
    return size * L2.steepest(normal.flatten(0, 1)).view_as(normal)


def fools(
    classifier: Classifier, images: Tensor, vectors: Tensor, rows: int | None = None
) -> Tensor:
    """Return whether `f(x + v) != f(x)`, f the predicted class, `(B, m)` bool.

    The vectors v are `(B, m, D)`, or `(1, m, D)` for all. There is no box.

    `rows`: at most so many images go forward at a time, and one a sample if that is more, see
    `batch_rows.rows_at_once`; 1,024 at most when None. Only memory depends on it.
    """
    with frozen(classifier), torch.no_grad():
        own = logits_of(classifier, images).argmax(1)
        size = points_at_a_time(len(images), rows_at_once(rows, images, 1024))
        parts = vectors.expand(len(images), -1, -1).split(size, 1)
        labels = torch.cat(
            [logits_at_offsets(classifier, images, part).argmax(2) for part in parts], 1
        )
    return labels != own[:, None]
