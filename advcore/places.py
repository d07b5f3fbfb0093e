"""The places of sequences of vectors `(B, T, E)`, of which rows of 0 are empty."""

import torch
from torch import Tensor


def filled(inputs: Tensor) -> Tensor:
    """Return which places hold something, shaped to multiply the inputs.

    Of sequences `(B, T, E)` those whose row is not all 0, `(B, T, 1)`; of tables and pictures all.
    """
    if inputs.dim() != 3:
        return torch.ones_like(inputs[..., :1], dtype=torch.bool)
    return (inputs != 0).any(2, keepdim=True)
