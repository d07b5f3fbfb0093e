"""Ridge regression on held-out networks, and scores of what it predicts, also of bootstrap draws.

A draw is a weight for each network, how often it was drawn: `(draws, networks)`. All copies of a
network lie in one fold, so that none is predicted from itself.
"""

import numpy as np

_STREAM = 2019


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
    predicted = np.empty(weights.shape)
    for fold in np.unique(folds):
        inside = folds == fold
        some = weights * ~inside
        count = some.sum(1, keepdims=True)
        share = some / count
        mean = share @ features
        spread = np.sqrt(np.maximum(share @ features**2 - mean**2, 0))
        scale = np.where(spread > 1e-9 * (1 + np.abs(mean)), spread, np.inf)
        level = share @ values
        centred = (features - mean[:, None]) / scale[:, None]
        gram = np.einsum("bn,bnd,bne->bde", share, centred, centred, optimize=True)
        gram += penalty / count[:, :, None] * np.eye(features.shape[1])
        slope = np.einsum("bn,bnd,bn->bd", share, centred, values - level[:, None], optimize=True)
        answer = np.linalg.solve(gram, slope[:, :, None])[:, :, 0]
        own = np.einsum("bnd,bd->bn", centred[:, inside], answer) + level[:, None]
        predicted[:, inside] = own
    return predicted


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


def kendall(measures: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of measures `(draws, networks)` and values, `(draws,)`."""
    signs = np.sign(measures[:, :, None] - measures[:, None])
    right = np.sign(values[:, None] - values)
    pairs = weights[:, :, None] * weights[:, None]
    both = np.sum(pairs * signs * right, axis=(1, 2))
    ties = np.sum(pairs * signs**2, axis=(1, 2)) * np.sum(pairs * right**2, axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return both / np.sqrt(ties)


def drawn_networks(networks: int, draws: int) -> np.ndarray:
    """Return how often each network is in each of some bootstrap draws, `(draws, networks)`."""
    random = np.random.default_rng(_STREAM)
    places = random.integers(0, networks, (draws, networks))
    return np.stack([np.bincount(own, minlength=networks) for own in places]).astype(float)
