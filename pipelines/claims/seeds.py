"""One estimate from the estimates of several seeds.

Its interval covers the noise between trainings and that of the samples.
"""

from collections.abc import Sequence

import numpy as np

from advcore.pipelines.claims.intervals import TAIL, Estimate


def over_seeds(estimates: Sequence[Estimate], in_logarithms: bool = False) -> Estimate:
    """Average the seeds' numbers (in logarithms: the geometric mean).

    Between seeds the interval is Student's, which is honest for two to five of them, where a
    bootstrap is not. The samples are the same ones for all seeds, so that their noise stays in the
    mean: the mean reach of the seeds' own intervals. Both are added as squares, end by end (MOVER,
    Zou and Donner 2008). LookupError where a seed's number is not finite.
    """
    from scipy.special import stdtrit

    if len(estimates) == 1:
        return estimates[0]
    logs = in_logarithms and all(own.value > 0 and own.low >= 0 for own in estimates)
    with np.errstate(divide="ignore"):
        parts = np.log(np.array(estimates)) if logs else np.array(estimates)
    values, lows, highs = parts.T
    if not np.isfinite(values).all():
        raise LookupError(
            f"cannot average {', '.join(f'{own.value:g}' for own in estimates)} over "
            f"{len(estimates)} seeds; take statistic: median, or choose finite ones by where"
        )
    between = stdtrit(len(values) - 1, 1 - TAIL) * values.std(ddof=1) / np.sqrt(len(values))
    middle = values.mean()
    ends = (
        middle - np.hypot(between, np.mean(values - lows)),
        middle + np.hypot(between, np.mean(highs - values)),
    )
    value, low, high = (float(np.exp(own) if logs else own) for own in (middle, *ends))
    return Estimate(value, low, high)
