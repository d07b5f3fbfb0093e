"""The share of an attacked distance that is proven."""

import torch
from torch import Tensor


def proven_share(radius: Tensor, attacked: Tensor) -> Tensor:
    """Return the proven radius over the attacked distance, `(N,)`; NaN where none was found."""
    return (radius.double() / attacked.double()).where(attacked.isfinite(), torch.nan)


def unattacked(attacked: Tensor) -> str:
    """Return the end of a meaning that says how many distances `(N,)` are missing, if any are."""
    missing = int(attacked.isinf().sum())
    return f"; without {missing} of them, where the attack finds nothing" if missing else ""
