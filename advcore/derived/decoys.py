"""A grey square in the corner whose shade tells a class: decoy MNIST, of Ross et al. 2017."""

import torch
from torch import Tensor

from advcore.checks import check_pictures

DARKEST = 30 / 255
"""The shade of the last class; that of the first is white."""


def check_decoys(shape: tuple[int, ...], side: int) -> None:
    """Raise ValueError for decoys that inputs `(C, H, W)` cannot have."""
    check_pictures(shape, "a decoy")
    if not 1 <= side <= min(shape[1:]):
        raise ValueError(
            "side of the decoy must be from 1 to the shorter side of the pictures, "
            f"{min(shape[1:])}; got {side}"
        )


def add_decoys(images: Tensor, shown: Tensor, classes: int, side: int) -> Tensor:
    """Return images `(B, C, H, W)` in whose top left corner a square shows the classes `(B,)`.

    The square of `side` pixels covers what was there, in all channels. Its shade falls in equal
    steps from 1, of the first of the `classes`, to 30/255, of the last: with ten, the `255 - 25 y`
    of the paper. There each picture has it in a corner drawn at random; here in the same one.
    """
    share = shown.to(images.dtype) / max(classes - 1, 1)
    decoyed = images.clone()
    decoyed[..., :side, :side] = torch.lerp(
        torch.ones_like(share), torch.full_like(share, DARKEST), share
    ).view(-1, 1, 1, 1)
    return decoyed
