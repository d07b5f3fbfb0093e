"""Certified accuracy of the smoothed classifier over the radius (Cohen et al. 2019)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.attacks import Attack
from advcore.batch_rows import check_batch_rows
from advcore.certify import Certificates, certificates_of, certify
from advcore.certify.noise_blocks import blocks_of
from advcore.certify.randomised_smoothing import check_draws, count_classes
from advcore.classifier import Classifier, full_precision, take_rows
from advcore.criteria import Untargeted
from advcore.margins import check_attack
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.smoothed_summary import CertifiedCurves
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.smoothed_classifier import SmoothedClassifier, check_smoothing


@dataclass(frozen=True)
class Smoothed:
    """Certificates by randomised smoothing, and attacks through the same noise beside them.

    There is one row per sample; see `advcore.certify.certify`. The noise is in the probe: the model
    is the network that is smoothed. No box.

    Columns: `sample`; `label`, the class that the smoothed classifier is proven to predict, -1
    where it abstains; `correct`, whether that is the true one; `radius`, l2, pixel units, within
    which the class is proven not to change, 0 where it abstains; `certified_radius`, the radius
    where correct and else 0; `selected`, `hits`, `draws`: the class that the selection chose, and
    how many of the draws of the estimation are predicted as it.

    With an `attack`: `attacked_distance`, the norm of what it finds that changes the class from the
    true one, through the noise: on the mean probabilities of `attack_draws` draws (the gradient of
    SmoothAdv), 0 where their class is wrong, inf where nothing was found. It is an upper bound, and
    the certified radius a lower one, of the same distance but for the draws: so many of them move a
    flat boundary by `sigma / sqrt(attack_draws)`, one standard error.

    The largest radius is that at which all draws are predicted alike; see
    `advcore.certify.largest_radius`. Cost: a forward pass a draw.

    With `blocks` above 1, many workers share the draws of one sample: the units of shards are
    samples x blocks, and `run.shard_size` is a number of those. The draws are the same for any
    number of blocks. What is stored is then a row per unit: `sample`; `true`, its class; `chosen`
    and `counts` `(rows, K)`, integers, how many draws of the selection and of the estimation are
    predicted as each class; `attacked_distance`, in the first block. `merged` adds the counts of a
    sample and takes one bound of the sums, for bounds of parts cannot be merged; each block is sent
    forward alone, so that another size of shards gives the same counts.

    Attributes:
        sigma: standard deviation of a pixel, pixel units.
        selection: number of draws that select the class.
        draws: number of draws that bound its probability.
        alpha: probability that the statement about a sample is wrong.
        attack: minimal-norm l2 attack without a box on the smoothed classifier; none when not
            given.
        attack_draws: number of draws that it goes through, each a pass of each of its steps.
        rows: number of images sent forward as one batch; 2,048 at most when not given,
            and fewer of large images, see `advcore.batch_rows`. It changes memory and speed.
        blocks: number of units that the draws of a sample are measured in, at most one for 100
            draws of the estimation.
    """

    sigma: float = 0.5
    selection: int = 100
    draws: int = 10_000
    alpha: float = 0.001
    attack: Attack | None = None
    attack_draws: int = 64
    rows: int | None = field(default=None, metadata={"cost": True})
    blocks: int = field(default=1, metadata={"later": True})

    def __post_init__(self) -> None:
        check_draws(self.sigma, self.selection, self.draws, self.alpha)
        check_smoothing(self.sigma, self.attack_draws)
        if self.attack is not None:
            check_attack(self.attack)
        check_batch_rows(self.rows)
        most = len(blocks_of(self.draws))
        if not 1 <= self.blocks <= most:
            raise ValueError(
                f"blocks must lie in 1..{most}, one for 100 of {self.draws} draws at most; got "
                f"{self.blocks}"
            )

    def units(self, samples: int) -> int:
        """Return the number of blocks of all samples; those of one sample are neighbours."""
        return samples * self.blocks

    def samples_of(self, start: int, stop: int) -> Sequence[int]:
        return [unit // self.blocks for unit in range(start, stop)]

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        """Return a row for each sample, or with several `blocks` for each unit of the batch."""
        if self.blocks > 1:
            return self._counted(classifier, batch, randomness)
        found = certify(
            classifier,
            batch.inputs,
            self.sigma,
            self.selection,
            self.draws,
            self.alpha,
            randomness,
            self.rows,
        )
        table = _certified(batch.indices, batch.labels, found)
        if self.attack is not None:
            table["attacked_distance"] = self._attacked(self.attack, classifier, batch, randomness)
        return table

    def _counted(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        """Return the counts of each unit; without units, of all blocks of each sample."""
        rows = torch.arange(len(batch.inputs), device=batch.inputs.device)
        if batch.units is None:
            block = torch.arange(self.blocks, device=rows.device).repeat(len(rows))
            rows = rows.repeat_interleave(self.blocks)
        else:
            block = batch.units % self.blocks
        units = batch.take(rows)
        counts = [
            self._count(take_rows(classifier, row), batch.inputs[row], randomness.take(row), number)
            for row, number in zip(rows.split(1), block.tolist(), strict=True)
        ]
        chosen, counted = (torch.cat(stage) for stage in zip(*counts, strict=True))
        table = Table(
            {"sample": units.indices, "true": units.labels, "chosen": chosen, "counts": counted}
        )
        if self.attack is not None:
            distance = torch.full(
                rows.shape, torch.nan, dtype=batch.inputs.dtype, device=rows.device
            )
            first = block == 0
            if first.any():
                own = rows[first]
                distance[first] = self._attacked(
                    self.attack,
                    take_rows(classifier, own),
                    batch.take(own),
                    randomness.take(own),
                )
            table["attacked_distance"] = distance
        return table

    def _count(
        self, classifier: Classifier, image: Tensor, randomness: Randomness, block: int
    ) -> tuple[Tensor, Tensor]:
        """The counts of selection and estimation of one block of one sample, `(1, K)` each.

        The first block makes the selection.
        """
        every = blocks_of(self.draws)
        start, stop = (place * len(every) // self.blocks for place in (block, block + 1))
        selection = blocks_of(self.selection) if block == 0 else []
        return count_classes(
            classifier, image, self.sigma, selection, every[start:stop], randomness, self.rows
        )

    def merged(self, table: Table) -> Table:
        """Return the certificates of the samples that have all their blocks in a table of units.

        Raises ValueError where no sample has.
        """
        if self.blocks == 1:
            return table
        turn, times = table.numbers("sample").unique_consecutive(
            return_inverse=True, return_counts=True
        )[1:]
        whole = times[turn] == self.blocks
        if not whole.any():
            raise ValueError(f"no sample has the rows of all its {self.blocks} blocks of noise")
        own = table.take(whole)
        by_sample = {name: own.numbers(name).unflatten(0, (-1, self.blocks)) for name in own}
        found = certificates_of(
            by_sample["chosen"].sum(1),
            by_sample["counts"].sum(1),
            self.sigma,
            self.draws,
            self.alpha,
        )
        result = _certified(by_sample["sample"][:, 0], by_sample["true"][:, 0], found)
        if self.attack is not None:
            result["attacked_distance"] = by_sample["attacked_distance"][:, 0]
        return result

    def _attacked(
        self, attack: Attack, classifier: Classifier, batch: Batch, randomness: Randomness
    ) -> Tensor:
        """The distances, `(B,)`, from the true label."""
        smoothed = SmoothedClassifier(
            classifier, self.sigma, self.attack_draws, randomness.stream("attacked")
        )
        around, still = batch.around(smoothed)
        with full_precision():
            return attack(around, still, Untargeted(batch.labels), randomness).distance

    def summarise(self, table: Table) -> Summary:
        return self._curves().summarise(table)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return self._curves().charts(tables)

    def _curves(self) -> CertifiedCurves:
        return CertifiedCurves(self.sigma, self.draws, self.alpha, self.attack, self.attack_draws)


def _certified(sample: Tensor, true: Tensor, found: Certificates) -> Table:
    """Return the columns of certificates, a row each, beside the true classes `(samples,)`."""
    correct = found.label == true
    return Table(
        {
            "sample": sample,
            "label": found.label,
            "correct": correct,
            "radius": found.radius,
            "certified_radius": found.radius * correct,
            "selected": found.selected,
            "hits": found.hits,
            "draws": torch.full_like(found.hits, found.draws),
        }
    )
