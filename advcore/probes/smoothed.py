"""Certified accuracy of the smoothed classifier over the radius (Cohen et al. 2019)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from advcore.attacks import Attack, kind_and_norm
from advcore.certify import ABSTAINS, certify, largest_radius
from advcore.certify.randomised_smoothing import check_draws
from advcore.classifier import Classifier, full_precision
from advcore.criteria import Untargeted
from advcore.margins import check_attack
from advcore.probes.charts import Chart, Lines, Series, shares
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.smoothed_classifier import SmoothedClassifier, check_smoothing

STEPS_A_SIGMA = 20
"""Points of the curves for each sigma of radius."""

CAPPED = 0.1
"""The share of samples at the largest radius above which a warning says so."""


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

    Attributes:
        sigma: standard deviation of a pixel, pixel units.
        selection: number of draws that select the class.
        draws: number of draws that bound its probability.
        alpha: probability that the statement about a sample is wrong.
        attack: minimal-norm l2 attack without a box on the smoothed classifier; none when not
            given.
        attack_draws: number of draws that it goes through, each a pass of each of its steps.
        rows: number of images sent forward as one batch; it changes memory and speed.
    """

    sigma: float = 0.5
    selection: int = 100
    draws: int = 10_000
    alpha: float = 0.001
    attack: Attack | None = None
    attack_draws: int = 64
    rows: int = field(default=2048, metadata={"cost": True})

    def __post_init__(self) -> None:
        check_draws(self.sigma, self.selection, self.draws, self.alpha)
        check_smoothing(self.sigma, self.attack_draws)
        if self.attack is not None:
            check_attack(self.attack)
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1; got {self.rows}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
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
        correct = found.label == batch.labels
        table = Table(
            {
                "sample": batch.indices,
                "label": found.label,
                "correct": correct,
                "radius": found.radius,
                "certified_radius": found.radius * correct,
                "selected": found.selected,
                "hits": found.hits,
                "draws": torch.full_like(found.hits, found.draws),
            }
        )
        if self.attack is not None:
            table["attacked_distance"] = self._attacked(self.attack, classifier, batch, randomness)
        return table

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
        radius, grid = table.numbers("radius"), self._grid()
        standing = _standing(table.numbers("correct"), radius, grid)
        largest = largest_radius(self.sigma, self.draws, self.alpha)
        at_largest = _share(table.numbers("hits") == self.draws)
        scalars = {
            "certified_accuracy": _share(table.numbers("correct")),
            "average_certified_radius": table.numbers("certified_radius").double().mean().item(),
            "abstained": _share(table.numbers("label") == ABSTAINS),
            "at_largest_radius": at_largest,
            "largest_radius": largest,
        }
        curves = {"certified_accuracy": Curve(grid.tolist(), standing.double().mean(0).tolist())}
        if self.attack is not None:
            held = table.numbers("attacked_distance")[:, None] > grid
            curves["attacked_accuracy"] = Curve(grid.tolist(), held.double().mean(0).tolist())
        warnings = {}
        if at_largest > CAPPED:
            warnings["capped"] = (
                f"{at_largest:.0%} of the samples have the largest radius that {self.draws} draws "
                f"prove, {largest:.3g}, so the average certified radius is that of the draws: take "
                "more"
            )
        return Summary(scalars, curves, warnings, self._meanings(len(radius)))

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        grid, series = self._grid(), list[Series]()
        for place, (model, table) in enumerate(tables.items()):
            standing = _standing(table.numbers("correct"), table.numbers("radius"), grid)
            series.append(
                replace(shares(model, grid, standing), shade=place, mark=place, style="line")
            )
            if self.attack is not None:
                held = (table.numbers("attacked_distance")[:, None] > grid).double().mean(0)
                series.append(
                    Series(f"{model}, attacked", grid, 100 * held, shade=place, thin=True)
                )
        note = (
            f"Share of samples proven to be classified right within the radius, by {self.draws:,} "
            f"draws of noise at σ = {self.sigma:g}, each wrong with a probability of at most "
            f"{self.alpha:g}; band: 95 % over samples (Wilson). No more than "
            f"{largest_radius(self.sigma, self.draws, self.alpha):.3g} can be proven by so many."
        )
        if self.attack is not None:
            note += (
                f" Thin: those that {kind_and_norm(self.attack)} leaves, through "
                f"{self.attack_draws} draws, no box."
            )
        return [
            Lines(
                name="certified_accuracy",
                title="Certified accuracy of the smoothed classifier",
                x_label="l2 radius (pixels in [0, 1])",
                y_label="certified accuracy (%)",
                series=series,
                y_limits=(0, 102),
                note=note,
            )
        ]

    def _grid(self) -> Tensor:
        """The radii of the curves, from 0 to the largest one, `(n,)`."""
        largest = largest_radius(self.sigma, self.draws, self.alpha)
        step = self.sigma / STEPS_A_SIGMA
        return step * torch.arange(int(largest / step) + 1, dtype=torch.float64)

    def _meanings(self, count: int) -> dict[str, str]:
        proven = (
            f"share of {count} samples whose true label the smoothed classifier (sigma "
            f"{self.sigma:g}) is proven to predict, by {self.draws} draws at alpha {self.alpha:g}"
        )
        meanings = {
            "certified_accuracy": f"{proven}, within the l2 radius (pixels in [0, 1]); at radius 0 "
            "if it is one number",
            "average_certified_radius": f"mean over {count} samples of the proven l2 radius "
            "(pixels in [0, 1]), 0 where the label is wrong or not proven",
            "abstained": f"share of {count} samples of which the draws prove no label",
            "at_largest_radius": f"share of {count} samples whose {self.draws} draws are all "
            "predicted alike, so that more draws would prove more",
            "largest_radius": f"the l2 radius that {self.draws} draws prove at most at alpha "
            f"{self.alpha:g} (pixels in [0, 1])",
        }
        if self.attack is not None:
            meanings["attacked_accuracy"] = (
                f"share of {count} samples whose true label {kind_and_norm(self.attack)} leaves "
                f"within the l2 radius, through {self.attack_draws} draws of the noise, without a "
                "box; an upper bound but for the error of those draws"
            )
        return meanings


def _standing(correct: Tensor, radius: Tensor, grid: Tensor) -> Tensor:
    """Return which samples are certified right at each radius of the grid, `(samples, n)`."""
    return correct.bool()[:, None] & (radius[:, None] >= grid)


def _share(values: Tensor) -> float:
    return values.double().mean().item()
