"""The radius of an attack with a budget: one for all samples, or one each."""

import torch
from torch import Tensor

from advcore.attacks.attack import Attack, has_budget, with_budget
from advcore.classifier import check_tensor
from advcore.norms import Radius


def check_eps(eps: Radius | None, wanted: bool = False) -> None:
    """Raise ValueError for an `eps` that is negative or NaN.

    `eps` may be a tensor; with `wanted`, None is refused too.

    At 0 nothing can be moved: no sample is broken.
    """
    if eps is None:
        if wanted:
            raise ValueError(
                "the attack needs eps, a radius in pixel units; give it: "
                "dataclasses.replace(attack, eps=8 / 255)"
            )
    elif isinstance(eps, Tensor):
        if eps.dim() != 1 or not (eps >= 0).all():
            raise ValueError(
                "eps must not be negative, in pixel units, one for each sample (B,); got "
                f"{tuple(eps.shape)} {eps}"
            )
    elif not eps >= 0:
        raise ValueError(f"eps must not be negative, in pixel units; got {eps}")


def radii(eps: Radius | None, images: Tensor) -> Tensor:
    """Return the radius of each sample, `(B,)`.

    It has the dtype and the device of `images` `(B, *shape)`.
    """
    check_eps(eps, wanted=True)
    check_tensor(images)
    if isinstance(eps, Tensor) and len(eps) != len(images):
        raise ValueError(
            f"eps as a tensor holds one radius for each sample: {len(images)} images, but "
            f"{len(eps)} radii"
        )
    return torch.as_tensor(eps, dtype=images.dtype, device=images.device).expand(len(images))


def take_attack(attack: Attack, index: Tensor) -> Attack:
    """Return the attack for the samples `index` of its batch.

    It is the same object unless it has a radius for each sample.
    """
    eps = attack.eps if has_budget(attack) else None
    return with_budget(attack, eps[index]) if isinstance(eps, Tensor) else attack
