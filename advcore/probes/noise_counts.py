"""Counts of the classes predicted under Gaussian noise, in shards smaller than a sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.certify.noise_blocks import BLOCK_DRAWS, NoiseBlock, count_labels
from advcore.classifier import Classifier, first_logits, frozen, take_rows
from advcore.probes.charts import Chart, Lines, shares
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.smoothed_classifier import check_smoothing

GRID = torch.linspace(0, 1, 101, dtype=torch.float64)
"""The shares of draws over which the curve goes."""


@dataclass(frozen=True)
class SampleCounts:
    """The counts of samples, added over their blocks of noise.

    - `sample` `(N,)`: indices in the data set.
    - `label` `(N,)`: true classes.
    - `draws` `(N,)`: numbers of draws.
    - `counts` `(N, K)` int64: numbers of draws predicted as each class.
    """

    sample: Tensor
    label: Tensor
    draws: Tensor
    counts: Tensor

    @property
    def right(self) -> Tensor:
        """The share of each sample's draws predicted as its label, `(N,)` float64."""
        return self.counts.gather(1, self.label[:, None])[:, 0].double() / self.draws


@dataclass(frozen=True)
class NoiseCounts:
    """Counts of the classes predicted under noise from N(0, sigma^2 I), block by block.

    The units of its shards are samples x blocks, so many workers share one sample's draws, and
    `run.shard_size` is a number of blocks. There is one row per sample and block. No box.

    Columns: `sample`; `block`, its number; `label`, the true class; `counts` `(rows, K)`, integers:
    how many draws are predicted as each class (a draw whose logits hold NaN as none); `draws`, how
    many were made; `right`, the share of them predicted as the label.

    Whole counts add up, so a bound on a probability is taken once, of all blocks
    (`advcore.certify.certificates_of`); bounds of single blocks cannot be merged. The draws are
    those of the estimation of `advcore.certify.certify`, block by block. They depend on the seed,
    the sample and the block alone; each block is sent forward alone, so that another size of shards
    gives the same counts. Cost: a forward pass a draw.

    Attributes:
        sigma: standard deviation of a pixel, pixel units.
        draws: number of draws of a sample.
        block_draws: number of draws of a block, a multiple of 100 that divides `draws`.
    """

    sigma: float = 0.25
    draws: int = 10_000
    block_draws: int = 1000

    def __post_init__(self) -> None:
        check_smoothing(self.sigma, self.draws)
        if self.block_draws < 1 or self.block_draws % BLOCK_DRAWS:
            raise ValueError(
                f"block_draws must be a multiple of {BLOCK_DRAWS}; got {self.block_draws}"
            )
        if self.draws % self.block_draws:
            raise ValueError(
                f"draws must be a multiple of block_draws, {self.block_draws}; got {self.draws}"
            )

    @property
    def blocks(self) -> int:
        """The number of blocks of a sample."""
        return self.draws // self.block_draws

    def units(self, samples: int) -> int:
        """Return the number of blocks of all samples; those of one sample are neighbours."""
        return samples * self.blocks

    def samples_of(self, start: int, stop: int) -> Sequence[int]:
        return [unit // self.blocks for unit in range(start, stop)]

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept inputs of any shape."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        """Return a row for each unit of the batch; without units for each block of each sample."""
        device = batch.inputs.device
        rows = torch.arange(len(batch.inputs), device=device)
        if batch.units is None:
            block = torch.arange(self.blocks, device=device).repeat(len(rows))
            rows = rows.repeat_interleave(self.blocks)
        else:
            block = batch.units % self.blocks
        first = rows[:1]
        with frozen(classifier):
            alone = take_rows(classifier, first)
            classes = first_logits(alone, batch.inputs[first]).shape[1]
        counts = torch.cat(
            [
                self._count(classifier, batch, randomness, row, number, classes)
                for row, number in zip(rows.split(1), block.tolist(), strict=True)
            ]
        )
        label = batch.labels[rows]
        hits = counts.gather(1, label[:, None])[:, 0]
        return Table(
            {
                "sample": batch.indices[rows],
                "block": block,
                "label": label,
                "counts": counts,
                "draws": torch.full_like(block, self.block_draws),
                "right": hits.double() / self.block_draws,
            }
        )

    def _count(
        self,
        classifier: Classifier,
        batch: Batch,
        randomness: Randomness,
        row: Tensor,
        block: int,
        classes: int,
    ) -> Tensor:
        """The counts of a block of the sample in one row, `(1, classes)`."""
        parts = self.block_draws // BLOCK_DRAWS
        return count_labels(
            take_rows(classifier, row),
            batch.inputs[row],
            self.sigma,
            [NoiseBlock(block * parts + part, BLOCK_DRAWS) for part in range(parts)],
            randomness.take(row).stream("estimation"),
            classes,
        )

    def summarise(self, table: Table) -> Summary:
        found = added(table)
        right, count = found.right, len(found.sample)
        top = found.counts.max(1)
        error = (right * (1 - right) / found.draws).sum().sqrt().item() / max(1, count)
        scalars = {
            "accuracy_under_noise": right.mean().item(),
            "accuracy_under_noise_error": error,
            "top_class_accuracy": (top.indices == found.label).double().mean().item(),
            "top_class_share": (top.values.double() / found.draws).mean().item(),
        }
        standing = (right[:, None] >= GRID).double().mean(0)
        what = f"{self.draws} draws a sample of noise at sigma {self.sigma:g}, without a box"
        return Summary(
            scalars,
            {"right_in_share_of_draws": Curve(GRID.tolist(), standing.tolist())},
            meanings={
                "accuracy_under_noise": f"share of all draws predicted as the true label, mean "
                f"over {count} samples; {what}",
                "accuracy_under_noise_error": "Monte Carlo standard error of accuracy_under_noise: "
                f"of the draws, for these {count} samples",
                "top_class_accuracy": f"share of {count} samples whose most frequent class is the "
                f"true label; {what}",
                "top_class_share": "share of a sample's draws predicted as its most frequent "
                f"class, mean over {count} samples; {what}",
                "right_in_share_of_draws": f"share of {count} samples of whose draws at least this "
                f"share is predicted as the true label; {what}",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        series = [
            shares(model, GRID, added(table).right[:, None] >= GRID)
            for model, table in tables.items()
        ]
        return [
            Lines(
                name="right_under_noise",
                title="Samples that stay right under noise",
                x_label="share of draws predicted as the true label",
                y_label="samples with at least that share (%)",
                series=series,
                y_limits=(0, 102),
                note=f"{self.draws:,} draws a sample, σ = {self.sigma:g}, no box; band: 95 % over "
                "samples (Wilson).",
            )
        ]


def added(table: Table) -> SampleCounts:
    """Return the counts of each sample, added over the blocks that the table has of it."""
    sample, turn = table.numbers("sample").unique(return_inverse=True)
    counts, draws, label = (table.numbers(name) for name in ("counts", "draws", "label"))
    whole = counts.new_zeros(len(sample), counts.shape[1]).index_add(0, turn, counts)
    made = draws.new_zeros(len(sample)).index_add(0, turn, draws)
    own = label.new_zeros(len(sample)).scatter(0, turn, label)
    return SampleCounts(sample, own, made, whole)
