"""Mixed chains of random operations, the frame of AugMix (Hendrycks et al. 2020) and of PRIME."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.training.augmentation import Augmentation, check_augmented


def check_chains(width: int, depth: int) -> None:
    """Raise ValueError for chains without any operation."""
    if width < 1 or depth < 1:
        raise ValueError(f"width and depth must be at least 1; got {width} and {depth}")


def mixed_chains(
    operations: Sequence[Augmentation],
    images: Tensor,
    randomness: Randomness,
    width: int,
    depth: int,
) -> Tensor:
    """Return `(1 - m) x + m sum_c w_c chain_c(x)` for images `(B, C, H, W)` in [0, 1].

    Each chain makes 1 to `depth` operations, their number and each of them drawn with equal
    chances. The weights w of the `width` chains are Dirichlet(1, ..., 1), the share m is
    Beta(1, 1).

    Raises ValueError for images that are not in [0, 1], or without an index for each.
    """
    images = check_augmented(images, randomness, box=True)
    chains = images.repeat_interleave(width, 0)
    source = _chain_randomness(randomness, width)
    lengths = _drawn(source.stream("depth"), depth) + 1
    for step in range(depth):
        own = source.stream("step", step)
        choice = _drawn(own.stream("operation"), len(operations))
        chains = _applied(operations, choice.where(step < lengths, -1), chains, own)
    shares = -randomness.stream("weights").uniform((width,)).log()
    shares = (shares / shares.sum(1, keepdim=True)).to(images.dtype)
    mixture = torch.einsum("bw,bw...->b...", shares, chains.unflatten(0, (-1, width)))
    share = randomness.stream("share").uniform(()).to(images.dtype)
    return torch.lerp(images, mixture, per_sample(share, images)).clamp(0, 1)


def _chain_randomness(randomness: Randomness, width: int) -> Randomness:
    """The source of all chains, sample by sample: row `i width + c` is chain c of sample i."""
    chain = torch.arange(width, device=randomness.indices.device)
    indices = randomness.indices[:, None] * width + chain
    return replace(randomness.stream("chains"), indices=indices.flatten())


def _drawn(randomness: Randomness, count: int) -> Tensor:
    """A number from 0 to `count - 1` for each row, `(B,)`, int64."""
    return (randomness.uniform(()) * count).long()


def _applied(
    operations: Sequence[Augmentation], choice: Tensor, images: Tensor, randomness: Randomness
) -> Tensor:
    """Each image after the operation of its `choice` `(B,)`, as it is at -1."""
    result = images.clone()
    for number, operation in enumerate(operations):
        rows = (choice == number).nonzero()[:, 0]
        if len(rows):
            result[rows] = operation(images[rows], randomness.take(rows))
    return result
