"""Logits at several points around each image, in one forward pass."""

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_finite, logits_of, take_rows


def logits_at_offsets(classifier: Classifier, images: Tensor, displacements: Tensor) -> Tensor:
    """Return the logits `(B, m, K)` at images `(B, *shape)` displaced by `(B, m, D)`.

    They can be differentiated by the displacement. There is no box.

    Raises ValueError for NaN or infinite logits.
    """
    samples, count = displacements.shape[:2]
    index = torch.arange(samples, device=images.device).repeat_interleave(count)
    moved = images[index] + displacements.reshape(-1, *images.shape[1:])
    logits = logits_of(take_rows(classifier, index), moved)
    check_finite(logits)
    return logits.unflatten(0, (samples, count))


def points_at_a_time(samples: int, rows: int) -> int:
    """Return how many points around each image make at most `rows` images; at least one.

    There are `samples` images.
    """
    return max(1, rows // samples)
