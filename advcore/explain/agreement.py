"""The agreement of two explanations of one input: top pixels, ranks, centres of mass."""

import torch
from torch import Tensor


def salience(maps: Tensor) -> Tensor:
    """Return the share of each pixel in a map `(B, C, H, W)`, `(B, H, W)`, of sum 1.

    The share is the magnitude, summed over channels (Ghorbani et al. 2019). Of a map that is 0 it
    is 0 everywhere. It can be differentiated.
    """
    size = maps.abs().sum(1)
    return size / size.sum((1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)


def top_pixels(shares: Tensor, count: int) -> Tensor:
    """Return 1 at the `count` largest pixels of each map `(B, H, W)`, 0 at the others."""
    flat = shares.flatten(1)
    return torch.zeros_like(flat).scatter(1, flat.topk(count, 1).indices, 1.0).view_as(shares)


def top_shared(one: Tensor, other: Tensor, count: int) -> Tensor:
    """Return the share of the `count` largest pixels that two maps `(B, H, W)` share, `(B,)`."""
    return (top_pixels(one, count) * top_pixels(other, count)).flatten(1).sum(1) / count


def spearman(one: Tensor, other: Tensor) -> Tensor:
    """Return the correlation of the ranks of two maps `(B, H, W)`, `(B,)`, in float64.

    Equal values have their mean rank. It is NaN where all values of a map are equal.
    """
    first, second = _centred_ranks(one), _centred_ranks(other)
    return (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))


def kendall(one: Tensor, other: Tensor) -> Tensor:
    """Return Kendall's tau-b of two maps `(B, H, W)`, `(B,)`, in float64.

    It is the share of pairs of pixels in the same order, less that in the opposite one, of those
    pairs that are no ties. It is NaN where all values of a map are equal.
    """
    from scipy.stats import kendalltau  # takes a second, and most measuring needs none of it

    rows = (maps.detach().flatten(1).cpu().numpy() for maps in (one, other))
    pairs = zip(*rows, strict=True)
    return torch.tensor([kendalltau(a, b).statistic for a, b in pairs], dtype=torch.float64)


def centre(shares: Tensor) -> Tensor:
    """Return the row and column of the centre of mass of maps `(B, H, W)` of sum 1, `(B, 2)`."""
    rows, columns = (
        torch.arange(size, dtype=shares.dtype, device=shares.device) for size in shares.shape[1:]
    )
    return torch.stack([(shares.sum(2) * rows).sum(1), (shares.sum(1) * columns).sum(1)], 1)


def centre_shift(one: Tensor, other: Tensor) -> Tensor:
    """Return the distance between the centres of mass of two maps `(B, H, W)`, pixels, `(B,)`."""
    return (centre(one) - centre(other)).norm(dim=1)


def _centred_ranks(maps: Tensor) -> Tensor:
    """The ranks of the pixels of each map less their mean, `(B, H W)`, float64."""
    from scipy.stats import rankdata  # takes a second, and most measuring needs none of it

    ranks = torch.from_numpy(rankdata(maps.detach().flatten(1).cpu().numpy(), axis=1))
    return ranks - ranks.mean(1, keepdim=True)
