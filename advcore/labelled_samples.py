"""Samples with their labels that a fit has kept, checked before they are used."""

import torch
from torch import Tensor

from advcore.checks import check_labels
from advcore.learnt import Learnt


def kept_samples(fit: Learnt, shape: tuple[int, ...]) -> Tensor:
    """Return the `inputs` (n, *shape) of a fit.

    Raises ValueError for samples of another shape, and for those with NaN or infinite values.
    """
    inputs = fit["inputs"]
    if inputs.shape[1:] != torch.Size(shape):
        raise ValueError(
            f"the fit {fit.name} has samples {tuple(inputs.shape[1:])}; these inputs are "
            f"{tuple(shape)}: give a fit of such inputs"
        )
    if not inputs.isfinite().all():
        raise ValueError(
            f"the fit {fit.name} has samples with NaN or infinite values: remove those first"
        )
    return inputs


def kept_labels(fit: Learnt, classes: int) -> Tensor:
    """Return the `labels` (n,) of a fit's samples.

    Raises ValueError for labels that are no classes of a classifier with `classes` logits.
    """
    labels = fit["labels"]
    try:
        check_labels(labels, len(fit["inputs"]), classes)
    except ValueError as error:
        raise ValueError(f"the fit {fit.name}: {error}") from error
    return labels
