"""Verified accuracy over eps, below the attacked one: numbers and the chart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from advcore.attacks import Attack, kind_and_norm
from advcore.probes.charts import Chart, Lines, Series, shares
from advcore.probes.probe import Curve, Summary, median
from advcore.probes.proven_distances import proven_share, unattacked
from advcore.probes.table import Table

POINTS = 101
"""Number of eps of the curves, from 0 to the largest."""

CAPPED = 0.1
"""The share of samples verified at the largest eps above which a warning says so."""

ROUNDING = 1e-4
"""Relative excess of a verified eps over an attacked distance that rounding explains."""


def summarise_verified(
    table: Table, methods: Sequence[str], largest: float, norm: str, attack: Attack | None
) -> Summary:
    """Return accuracies, mean radii, and curves over eps, with what contradicts them."""
    grid, correct = _grid(largest), table.numbers("correct").bool()
    scalars = {
        "accuracy": correct.double().mean().item(),
        "median_margin_gradient": median(table.numbers("margin_gradient")),
    }
    curves, warnings = dict[str, Curve](), dict[str, str]()
    if "lipschitz" in methods:
        scalars["slope_bound"] = table.numbers("slope_bound")[0].item()
    for method in methods:
        radius = table.numbers(f"verified_{method}").double()
        standing = _standing(correct, radius, grid).double().mean(0)
        scalars[f"average_verified_radius/{method}"] = radius.mean().item()
        curves[f"verified_accuracy/{method}"] = Curve(grid.tolist(), standing.tolist())
        capped = (radius >= largest).double().mean().item()
        if capped > CAPPED:
            warnings[f"capped/{method}"] = (
                f"{capped:.0%} of the samples are verified by {method} at the largest eps that is "
                f"tried, {largest:g}: raise it"
            )
        if attack is not None:
            distance = table.numbers("attacked_distance").double()
            scalars[f"median_proven_share/{method}"] = median(
                proven_share(radius, distance)[correct]
            )
            wrong = int((radius > distance * (1 + ROUNDING)).sum())
            if wrong:
                warnings[f"contradicted/{method}"] = (
                    f"of {wrong} samples {method} verifies more than the attack needs: look at "
                    "them in float64"
                )
    if attack is not None:
        held = (table.numbers("attacked_distance")[:, None] > grid).double().mean(0)
        curves["attacked_accuracy"] = Curve(grid.tolist(), held.tolist())
    meanings = _meanings(len(correct), norm, attack)
    if attack is not None:
        left_out = unattacked(table.numbers("attacked_distance")[correct])
        meanings["median_proven_share"] += left_out
    return Summary(scalars, curves, warnings, meanings)


def verified_charts(
    tables: Mapping[str, Table],
    methods: Sequence[str],
    largest: float,
    norm: str,
    attack: Attack | None,
) -> list[Chart]:
    """Return the chart of all models: what is proven, and above it what the attack leaves."""
    grid, series = _grid(largest), list[Series]()
    for shade, (model, table) in enumerate(tables.items()):
        correct = table.numbers("correct").bool()
        if attack is not None:
            held = (table.numbers("attacked_distance")[:, None] > grid).double().mean(0)
            series.append(Series(f"{model}, attacked", grid, 100 * held, shade=shade, thin=True))
        for mark, method in enumerate(methods):
            standing = _standing(correct, table.numbers(f"verified_{method}"), grid)
            line = replace(_ended(f"{model}, {method}", grid, standing), shade=shade, mark=mark)
            series.append(line if method == methods[-1] else replace(line, low=None, high=None))
    note = (
        "Share of samples that are proven to be classified right within eps, by method, each up to "
        f"where none is left; band, {methods[-1]}: 95 % over samples (Wilson)."
    )
    if attack is not None:
        note += f" Thin: those that {kind_and_norm(attack)} leaves; the truth lies between."
    return [
        Lines(
            name="verified_accuracy",
            title="Verified accuracy",
            x_label=f"{norm} eps (pixels in [0, 1])",
            y_label="accuracy (%)",
            series=series,
            y_limits=(0, 102),
            note=note,
        )
    ]


def _grid(largest: float) -> Tensor:
    """The eps of the curves, `(POINTS,)`."""
    return torch.linspace(0, largest, POINTS, dtype=torch.float64)


def _standing(correct: Tensor, radius: Tensor, grid: Tensor) -> Tensor:
    """Return which samples are proven right at each eps of the grid, `(samples, POINTS)`."""
    return correct.bool()[:, None] & (radius[:, None] >= grid)


def _ended(label: str, grid: Tensor, standing: Tensor) -> Series:
    """Return the line of the shares up to the first eps at which no sample stands."""
    left = int(standing.any(0).sum()) + 1  # a verified radius covers every smaller eps
    return shares(label, grid[:left], standing[:, :left])


def _meanings(count: int, norm: str, attack: Attack | None) -> dict[str, str]:
    unit = f"{norm}, pixels in [0, 1]"
    meanings = {
        "accuracy": f"share of {count} samples whose true label is predicted",
        "median_margin_gradient": f"median over {count} samples of the dual norm of the margin's "
        f"gradient: how fast the label's lead falls by a step ({unit})",
        "slope_bound": f"how fast a margin may change at most by a step ({unit}), by the product "
        "of spectral norms",
        "average_verified_radius": f"mean over {count} samples of the largest eps that is verified "
        f"({unit}), 0 where the label is not predicted; by method",
        "verified_accuracy": f"share of {count} samples that are proven to keep their true label "
        f"within eps ({unit}); by method; a lower bound of robust accuracy",
    }
    if attack is not None:
        meanings["attacked_accuracy"] = (
            f"share of {count} samples whose true label {kind_and_norm(attack)} leaves within eps "
            f"({unit}); an upper bound of robust accuracy"
        )
        meanings["median_proven_share"] = (
            f"median of verified eps over the distance that {kind_and_norm(attack)} needs, over "
            "the samples whose label is predicted; 1 if nothing is open; by method"
        )
    return meanings
