"""Ridge regression on held-out networks, and scores of what it predicts, also of bootstrap draws.

A draw is a weight for each network, how often it was drawn: `(draws, networks)`. All copies of a
network lie in one fold, so that none is predicted from itself.
"""

from itertools import combinations_with_replacement

import numpy as np

_STREAM = 2019
_LEAST_VARIANCE = 1e-12


def held_out_predictions(
    features: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    folds: np.ndarray,
    penalty: float,
) -> np.ndarray:
    """Return the prediction of each network from those of other folds, `(draws, networks)`.

    In each fold's training part the features are brought to mean 0 and variance 1, and

        sum_i w_i (y_i - b - x_i a)^2 / sum_i w_i + penalty / n ||a||^2

    is minimised, n the number of networks there.

    Args:
        features: `(networks, d)`.
        values: `(networks,)`, y.
        weights: `(draws, networks)`.
        folds: `(networks,)`, the number of each network's fold.
        penalty: weight of the ridge, as of features of variance 1.
    """
    features = _standardised(features)
    predicted = np.empty(weights.shape)
    for fold in np.unique(folds):
        own = folds == fold
        slope, intercept = _regression(features, values, weights * ~own, penalty)
        predicted[:, own] = slope @ features[own].T + intercept[:, None]
    return predicted


def held_out_differences(
    features: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    folds: np.ndarray,
    penalty: float,
) -> np.ndarray:
    """Return the predicted differences, first less second, `(draws, networks, networks)`.

    Each is that of a regression, as in `held_out_predictions`, on the networks in neither fold, so
    that it knows neither value. Predictions of different folds are not to be compared: each holds
    the mean of the others, which falls where its own value rises, and so useless features predict
    the order reversed. Where fewer than three folds have a weight, differences may be 0.

    Source: leave-pair-out cross-validation; Airola et al. 2011, An experimental comparison of
    cross-validation techniques for estimating the area under the ROC curve.

    Args:
        features: `(networks, d)`.
        values: `(networks,)`.
        weights: `(draws, networks)`.
        folds: `(networks,)`, the number of each network's fold.
        penalty: weight of the ridge, as of features of variance 1.
    """
    features = _standardised(features)
    differences = np.zeros((*weights.shape, len(values)))
    for first, second in combinations_with_replacement(np.unique(folds), 2):
        one, other = folds == first, folds == second
        slope, _ = _regression(features, values, weights * ~(one | other), penalty)
        places, others = np.nonzero(np.outer(one, other) | np.outer(other, one))
        level = slope @ features.T
        differences[:, places, others] = level[:, places] - level[:, others]
    return differences


def _standardised(features: np.ndarray) -> np.ndarray:
    """Return features of mean 0 and variance 1 over all networks; 0 where one never varies."""
    mean, spread = features.mean(0), features.std(0)
    return (features - mean) / np.where(spread > _LEAST_VARIANCE * np.abs(mean), spread, np.inf)


def _regression(
    features: np.ndarray, values: np.ndarray, weights: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes `(draws, d)` and intercepts `(draws,)` on the networks that have a weight.

    Without any, the slopes are 0 and the intercept NaN.
    """
    total = weights.sum(1)
    count = np.maximum(total, 1)[:, None]
    share = weights / count
    mean, level = share @ features, share @ values
    products = features[:, :, None] * features[:, None]
    covariance = np.tensordot(share, products, 1) - mean[:, :, None] * mean[:, None]
    variance = np.einsum("bdd->bd", covariance)
    varies = variance > _LEAST_VARIANCE
    scale = np.where(varies, np.sqrt(np.where(varies, variance, 1)), np.inf)
    gram = covariance / scale[:, :, None] / scale[:, None]
    gram += penalty / count[:, :, None] * np.eye(features.shape[1])
    along = (share @ (features * values[:, None]) - mean * level[:, None]) / scale
    slope = np.linalg.solve(gram, along[:, :, None])[:, :, 0] / scale
    return slope, np.where(total > 0, level - np.sum(slope * mean, axis=1), np.nan)


def random_folds(networks: int, folds: int, repeats: int) -> np.ndarray:
    """Return random partitions into folds of nearly equal size, `(repeats, networks)`."""
    random = np.random.default_rng(_STREAM)
    places = np.arange(networks) % min(folds, networks)
    return np.stack([random.permutation(places) for _ in range(repeats)])


def explained(predicted: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return R^2, one less the residual sum of squares over that about the mean, `(draws,)`."""
    share = weights / weights.sum(1, keepdims=True)
    level = share @ values
    about = np.sum(share * (values - level[:, None]) ** 2, axis=1)
    rest = np.sum(share * (values - predicted) ** 2, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - rest / about


def kendall(differences: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of a measure and values, `(draws,)`; 0 where the measure is constant.

    `differences`, `(draws, networks, networks)`, are those of the measure, first less second.
    """
    signs = np.sign(differences)
    right = np.sign(values[:, None] - values)
    pairs = weights[:, :, None] * weights[:, None]
    both = np.sum(pairs * signs * right, axis=(1, 2))
    told = np.sum(pairs * signs**2, axis=(1, 2))
    there = np.sum(pairs * right**2, axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(told > 0, both / np.sqrt(told * there), 0.0)


def drawn_networks(networks: int, draws: int) -> np.ndarray:
    """Return how often each network is in each of some bootstrap draws, `(draws, networks)`."""
    random = np.random.default_rng(_STREAM)
    places = random.integers(0, networks, (draws, networks))
    return np.stack([np.bincount(own, minlength=networks) for own in places]).astype(float)
