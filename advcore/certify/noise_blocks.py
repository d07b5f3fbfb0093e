"""Counts of predicted classes under Gaussian noise, block of draws by block of draws.

The counts are integers by (sample, block): whoever counts which blocks, in whatever order, the sums
are the same.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.batch_rows import rows_at_once
from advcore.classifier import (
    Classifier,
    check_batch,
    frozen,
    full_precision,
    logits_of,
    take_rows,
)
from advcore.randomness import Randomness

BLOCK_DRAWS = 100
"""Draws of a whole block. Which draw is in which block hangs on it, and so does every count."""


@dataclass(frozen=True)
class NoiseBlock:
    """Some consecutive draws of a stage: those of one `number`, `BLOCK_DRAWS` of them or fewer."""

    number: int
    draws: int


def blocks_of(draws: int) -> list[NoiseBlock]:
    """Return the blocks that `draws` draws of noise are made in; the last may be smaller."""
    return [
        NoiseBlock(number, min(BLOCK_DRAWS, draws - number * BLOCK_DRAWS))
        for number in range(math.ceil(draws / BLOCK_DRAWS))
    ]


def count_labels(
    classifier: Classifier,
    images: Tensor,
    sigma: float,
    blocks: Iterable[NoiseBlock],
    randomness: Randomness,
    classes: int,
    rows: int | None = None,
) -> Tensor:
    """Return how many draws of the blocks are predicted as each class, `(B, classes)` int64.

    Draw number i of a sample's block is `x + sigma v`, v from (seed, stream, sample, block, i)
    alone, without a box. A draw whose logits hold NaN counts for no class.

    Args:
        images: `(B, *shape)`.
        randomness: source of the noise: one stream for selection, another for estimation.
        classes: number of logits.
        rows: inputs sent forward as one batch, but at least one block of one sample, see
            `batch_rows.rows_at_once`; 2,048 at most when None. Only memory and speed depend on it.
    """
    check_batch(images)
    rows = rows_at_once(rows, images, 2048)
    counts = torch.zeros(len(images), classes, dtype=torch.int64, device=images.device)
    everyone = torch.arange(len(images), device=images.device)
    with full_precision(), frozen(classifier), torch.no_grad():
        for block in blocks:
            source = randomness.stream("block", block.number)
            for some in everyone.split(max(1, rows // block.draws)):
                noise = source.take(some).normal((block.draws, *images.shape[1:]))
                noisy = images[some][:, None] + sigma * noise.to(images.dtype)
                repeated = take_rows(classifier, some.repeat_interleave(block.draws))
                logits = logits_of(repeated, noisy.flatten(0, 1))
                valid = ~logits.isnan().any(1)
                labels = logits.nan_to_num().argmax(1).view(len(some), -1)
                counts[some] = counts[some].scatter_add(
                    1, labels, valid.view_as(labels).to(counts.dtype)
                )
    return counts
