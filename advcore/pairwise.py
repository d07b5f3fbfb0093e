"""Distances of each input to each of others."""

import torch
from torch import Tensor


def pair_distances(inputs: Tensor, others: Tensor) -> Tensor:
    """Return the l2 distances `(..., B, n)` of inputs `(..., B, D)` to others `(..., n, D)`.

    Each pair is measured by itself, so a distance is the same in any batch.
    """
    return torch.cdist(inputs, others, compute_mode="donot_use_mm_for_euclid_dist")


def sample_distances(inputs: Tensor, others: Tensor) -> Tensor:
    """Return the l2 distances `(B, n)` of inputs `(B, *shape)` to samples `(n, *shape)`.

    They have the dtype and device of the inputs. Raises ValueError where there is no sample.
    """
    if not len(others):
        raise ValueError("distances to samples need one sample at least; got none")
    return pair_distances(inputs.flatten(1), others.flatten(1).to(inputs))
