"""The starts of attacks of decisions: images with noise that is adversarial."""

import torch
from torch import Tensor

from advcore.attacks.decisions.answers import Decisions
from advcore.attacks.decisions.low_frequencies import LowFrequencies
from advcore.norms import per_sample
from advcore.randomness import Randomness

FIRST_NOISE = 0.05
"""Standard deviation of a coordinate of the first noise, in pixel units."""
GROWTH = 1.25
"""Factor from the noise of a try to that of the next."""
LARGEST_NOISE = 4.0
"""Standard deviation that is not passed."""
TRIES = 60
"""Number of noises after which a sample has no start."""


def noisy_start(
    decisions: Decisions, basis: LowFrequencies, randomness: Randomness
) -> tuple[Tensor, Tensor]:
    """Return adversarial inputs `(B, *shape)`, and which samples have one, `(B,)` bool.

    Normal noise in the basis is added to the image, more and more of it, and clipped to the box,
    until it is adversarial. The image itself where none of `TRIES` was.
    """
    images, start = decisions.images, decisions.images.clone()
    found = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    for number in range(TRIES):
        wanted = ~found & (decisions.left > 0)
        if not wanted.any():
            break
        size = min(FIRST_NOISE * GROWTH**number, LARGEST_NOISE)
        noise = randomness.stream("start", number).normal((basis.dim,)).to(images.dtype)
        tried = (images + size * basis.lift(noise)).clamp(0, 1)
        holds = decisions.ask(tried, wanted)
        start = torch.where(per_sample(holds, images), tried, start)
        found |= holds
    return start, found
