"""Shares of samples with their 95 % intervals."""

import math

Z = 1.959963984540054
"""The normal distribution holds 95 % between -Z and Z."""


def wilson(hits: float, count: int) -> tuple[float, float]:
    """Return the ends of Wilson's 95 % interval of a share.

    `hits` of `count` independent samples were seen.

    It inverts the score test: the p with |hits/count - p| <= Z sqrt(p (1 - p) / count). It lies
    within [0, 1], and 0 of n has an upper end of about 3.8 / n. Raises ValueError for no samples.
    Source: Wilson, 1927; Brown, Cai and DasGupta, 2001.
    """
    if count < 1:
        raise ValueError(f"a share needs at least one sample; got {count}")
    share, room = hits / count, Z**2 / count
    middle = (share + room / 2) / (1 + room)
    half = math.sqrt(share * (1 - share) * room + room**2 / 4) / (1 + room)
    return max(0.0, middle - half), min(1.0, middle + half)
