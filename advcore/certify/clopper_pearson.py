"""Exact bounds of a binomial probability (Clopper and Pearson 1934)."""

import torch
from torch import Tensor


def lower_bound(hits: Tensor, draws: int, alpha: float) -> Tensor:
    """Return the one-sided lower bound of a probability at confidence `1 - alpha`, float64.

    It is the p at which `hits` or more of `draws` are seen with probability alpha: the alpha
    quantile of `Beta(hits, draws - hits + 1)`, and 0 for no hits. Over repetitions it exceeds the
    true probability in at most a share alpha of them.

    Args:
        hits: whole numbers of any shape, between 0 and `draws`.
    """
    from scipy.special import betaincinv  # takes a while, and most measuring needs none of it

    flat = hits.flatten().tolist()
    if any(not 0 <= count <= draws for count in flat):
        raise ValueError(f"hits must lie between 0 and draws, {draws}; got {flat[:5]}")
    bounds = [betaincinv(count, draws - count + 1, alpha) if count else 0.0 for count in flat]
    return torch.tensor(bounds, dtype=torch.float64, device=hits.device).view(hits.shape)
