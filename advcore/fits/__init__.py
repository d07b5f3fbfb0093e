"""Fits: what is learnt from many samples of one model, in rounds over shards."""

from advcore.fits.fit import Fit, FitSamples, FitState, Sums
from advcore.learnt import Learnt, learnt_in, with_learnt

__all__ = ["Fit", "FitSamples", "FitState", "Learnt", "Sums", "learnt_in", "with_learnt"]
