"""Fits: what is learnt from many samples of one model, in rounds over shards."""

from advcore.fits.fit import Fit, FitSamples, FitState, Sums
from advcore.fits.rounds import Adder, Share, fit_here, next_round
from advcore.learnt import Learnt, learnt_in, with_learnt

FITS: dict[str, type] = {}
"""The fits that a study can name by `kind`."""

__all__ = [
    "FITS",
    "Adder",
    "Fit",
    "FitSamples",
    "FitState",
    "Learnt",
    "Share",
    "Sums",
    "fit_here",
    "learnt_in",
    "next_round",
    "with_learnt",
]
