"""The Frechet distance between samples, by their features in an independent network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from advcore.pipelines.tables.kinds import Part
from advcore.probes import Columns


@dataclass(frozen=True)
class FrechetDistance:
    """The distance of the features of samples from those of a reference, as two Gaussians.

    `||m - m_r||^2 + tr(C + C_r - 2 (C C_r)^{1/2})`, with the means and the covariances of the
    features of both: the square of the Wasserstein distance of the Gaussians (Heusel et al. 2017,
    GANs trained by a two time-scale update rule, there of Inception's features). It depends on the
    number of samples, also where both are drawn alike: compare with that of true samples, as many.

    Columns: the axes that are left; `frechet`, in the square of the features' unit; `samples`, how
    many the first Gaussian is made of.

    Attributes:
        against: name of the probe whose rows are the reference.
        column: column of features, a vector a row.
    """

    against: str
    column: str = "features"

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return one row."""
        reference = [self._features(own) for own in parts if own.probe == self.against]
        features = [self._features(own) for own in parts if own.probe != self.against]
        if not reference or not features:
            raise LookupError(
                f"frechet_distance needs rows of the probe {self.against!r} and of another; got "
                f"{', '.join(sorted({own.probe for own in parts})) or 'none'}"
            )
        widths = {own.shape[1] for own in (*features, *reference)}
        if len(widths) > 1:
            raise LookupError(
                f"frechet_distance compares features of one network; got some of "
                f"{' and of '.join(map(str, sorted(widths)))} numbers: measure both probes with one"
            )
        samples = np.concatenate(features)
        distance = frechet_distance(samples, np.concatenate(reference))
        numbers = {"frechet": distance, "samples": float(len(samples))}
        return {name: torch.tensor([own], dtype=torch.float64) for name, own in numbers.items()}

    def _features(self, part: Part) -> np.ndarray:
        """Return the features of a member's rows, `(N, n)`."""
        if self.column not in part.rows:
            raise LookupError(
                f"the rows of {part.probe} have no {self.column!r}; measure a probe likeness with "
                "features: true"
            )
        features = np.asarray(part.rows[self.column], np.float64)
        if features.ndim != 2 or len(features) < 2:
            raise LookupError(
                f"{self.column} of {part.probe} must be a vector a row, of 2 rows or more; got "
                f"numbers of shape {features.shape}"
            )
        if not np.isfinite(features).all():
            raise LookupError(
                f"{self.column} of {part.probe} hold NaN or infinite values, of which there are no "
                "means: look at the network that was measured"
            )
        return features


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Frechet distance of the Gaussians of two samples `(N, n)` and `(M, n)`.

    Covariances are unbiased. The trace of `(C_1 C_2)^{1/2}` is the sum of the singular values of
    `A_1 A_2^T`, with `A_i` the centred samples over `sqrt(N_i - 1)`: no root of a matrix is taken
    that need not be real.
    """
    means = [own.mean(0) for own in (first, second)]
    roots = [
        np.linalg.qr((own - mean) / np.sqrt(len(own) - 1)).R
        for own, mean in zip((first, second), means, strict=True)
    ]
    common = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    traces = sum((root**2).sum() for root in roots)
    return float(max(((means[0] - means[1]) ** 2).sum() + traces - 2 * common, 0))
