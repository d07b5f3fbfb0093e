"""Transfer: adversarial images made on one network that fool another as well."""

import torch
from torch import Tensor

from advcore.classifier import Classifier, predict


def fooled(classifier: Classifier, images: Tensor, adversarial: Tensor) -> Tensor:
    """Return whether the labels of images and their adversarial ones differ, `(B,)` bool.

    Both are `(B, C, H, W)`; labels are predicted ones.

    Measured from the network's own prediction: a sample that it gets wrong anyway does not count as
    fooled.
    """
    return predict(classifier, images) != predict(classifier, adversarial)


def scale_perturbation(images: Tensor, adversarial: Tensor, scale: float, box: bool) -> Tensor:
    """Return `x + scale (x' - x)` for images x and x' `(B, C, H, W)`, cut to [0, 1] in a box.

    A minimal perturbation ends where its own network's boundary is crossed, and most networks'
    boundaries lie farther on.
    """
    longer = adversarial if scale == 1 else torch.lerp(images, adversarial, scale)
    return longer.clamp(0, 1) if box else longer


def transfer_rates(found: Tensor, changed: Tensor) -> Tensor:
    """Return the share of network a's adversarial images that fool network b as well.

    The table is `(A, B)` float64; NaN where a has none.

    Args:
        found: `(A, n)` bool, whether an attack on network a found one for sample i.
        changed: `(A, B, n)` bool, whether that image fools network b, see `fooled`.
    """
    if (
        found.dim() != 2
        or changed.dim() != 3
        or (changed.shape[0], changed.shape[2]) != tuple(found.shape)
    ):
        raise ValueError(
            f"transfer rates need found (A, n) and changed (A, B, n); got {tuple(found.shape)} and "
            f"{tuple(changed.shape)}: stack them by network"
        )
    counted = (changed & found[:, None]).sum(2).double()
    return counted / torch.where(found.any(1), found.sum(1), torch.nan)[:, None]
