"""The summary and the chart of certificates by randomised smoothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore.attacks import Attack, kind_and_norm
from advcore.certify import ABSTAINS, largest_radius
from advcore.probes.charts import Chart, Lines, Series, shares
from advcore.probes.probe import Curve, Summary
from advcore.probes.table import Table

STEPS_A_SIGMA = 20
"""Points of the curves for each sigma of radius."""

CAPPED = 0.1
"""The share of samples at the largest radius above which a warning says so."""


@dataclass(frozen=True)
class CertifiedCurves:
    """The settings of the probe `smoothed` that its summary and its chart depend on.

    - `sigma`: standard deviation of a pixel, pixel units.
    - `draws`: number of draws that bound the probability of a label.
    - `alpha`: probability that the statement about a sample is wrong.
    - `attack`: that beside the certificates, or None.
    - `attack_draws`: number of draws that it goes through.
    """

    sigma: float
    draws: int
    alpha: float
    attack: Attack | None
    attack_draws: int

    def summarise(self, table: Table) -> Summary:
        """Return the numbers of a table of certificates."""
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
        """Return the chart of certified accuracy over the radius, by model."""
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
