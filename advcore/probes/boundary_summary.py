"""The summary and the charts of the boundary's principal curvatures."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from advcore.probes.charts import Chart, Lines, medians
from advcore.probes.flatness_charts import sorted_samples
from advcore.probes.probe import Curve, Summary, median
from advcore.probes.profiles import UNSETTLED
from advcore.probes.table import Table

MEANINGS = {
    "found": (
        "share of samples whose nearest boundary was found and has a slope; the other numbers "
        "are of these"
    ),
    "median_distance": "median l2 distance of the boundary, out of the predicted class, no box",
    "median_largest_curvature": (
        "median over samples of the largest curvature by sign, per pixel unit"
    ),
    "median_smallest_curvature": "median over samples of the smallest curvature by sign",
    "more_negative_share": (
        "share of samples at which the most negative curvature exceeds the most positive one "
        "in magnitude"
    ),
    "mean_curvature": "mean over samples of the mean over all directions",
    "mean_curvature_error": "standard error of that mean",
    "median_rms_curvature": (
        "median over samples of the root mean square over all directions: lower is flatter"
    ),
    "median_random_curvature": "median over samples of the mean magnitude along random directions",
    "median_most_over_random": (
        "median over samples of the largest magnitude seen over that along random directions"
    ),
    "median_relative_curvature": (
        "median over samples of the distance times the root mean square at the step of that "
        "distance"
    ),
    "median_largest_curvature_over_rank": (
        "median over samples of the curvatures from the largest down"
    ),
    "median_smallest_curvature_over_rank": (
        "median over samples of the curvatures from the smallest up"
    ),
}
"""Meanings of the summary's numbers."""


def summarise_boundary(table: Table, top: int, step: float) -> Summary:
    """Return the numbers of a table of the probe `boundary`.

    `top` of its curvatures are the largest ones; they are taken at a step.
    """
    if not len(table["sample"]):
        return Summary()
    some = _curved(table)
    scalars = {"found": len(some["sample"]) / len(table["sample"])}
    if not len(some["sample"]):
        return Summary(scalars)
    largest, smallest = _ends(some, top)
    mean = some.numbers("mean_curvature").double()
    scalars |= {
        "median_distance": median(some.numbers("distance")),
        "median_largest_curvature": median(largest[:, 0]),
        "median_smallest_curvature": median(smallest[:, 0]),
        "more_negative_share": (-smallest[:, 0] > largest[:, 0]).double().mean().item(),
        "mean_curvature": mean.mean().item(),
        "mean_curvature_error": (mean.std() / len(mean) ** 0.5).item(),
        **{
            f"median_{name}": median(some.numbers(name))
            for name in ("rms_curvature", "random_curvature", "most_over_random")
        },
    }
    if step:
        scalars["median_relative_curvature"] = median(some.numbers("relative_curvature"))
    curves = {
        name: Curve(
            list(range(1, values.shape[1] + 1)), [median(column) for column in values.unbind(1)]
        )
        for name, values in (
            ("median_largest_curvature_over_rank", largest),
            ("median_smallest_curvature_over_rank", smallest),
        )
    }
    return Summary(scalars, curves, _warnings(some, step), MEANINGS)


def boundary_charts(tables: Mapping[str, Table], top: int, step: float) -> list[Chart]:
    """Return the charts of principal curvatures, by rank, and of their root mean square."""
    series = []
    for shade, (model, table) in enumerate(tables.items()):
        some = _curved(table)
        for mark, (name, values) in enumerate(
            zip(("largest", "smallest"), _ends(some, top), strict=True)
        ):
            if len(values):
                line = medians(f"{model}, {name}", torch.arange(1, values.shape[1] + 1), values)
                series.append(replace(line, shade=shade, mark=mark))
    if not series:
        return []
    at = f" at step {step:g}" if step else ""
    return [
        Lines(
            name="principal_curvatures",
            title="The decision boundary's most curved directions",
            x_label="rank, from the largest down or from the smallest up",
            y_label=f"principal curvature{at} (per pixel unit)",
            series=series,
            references=[(0.0, "flat")],
            note="At the nearest point: median over samples in its 95 % interval, and between "
            "the quartiles. "
            "Positive: a step along the boundary leaves the sample's own class.",
        ),
        sorted_samples(
            {model: _curved(table) for model, table in tables.items()},
            "rms_curvature",
            title="Curvature of the decision boundary over all its directions",
            y_label=f"root mean square curvature{at} (per pixel unit)",
            note=(
                "At the boundary's nearest point, whatever the network's confidence. "
                "Lower is flatter."
            ),
        ),
    ]


def _ends(some: Table, top: int) -> tuple[Tensor, Tensor]:
    """The largest, descending, and the smallest, ascending."""
    curvatures = some.numbers("curvatures")
    return curvatures[:, :top], curvatures[:, top:].flip(1)


def _warnings(some: Table, step: float) -> dict[str, str]:
    curvatures, residual = some.numbers("curvatures"), some.numbers("residual")
    if (curvatures == 0).all():
        flat = (
            "all curvatures are 0, as those of a piecewise linear network are where no "
            "step is taken: give a step, 0.5 say"
        )
        return {"flat_boundary": flat}
    share = (residual > UNSETTLED * curvatures.abs().amax(1)).double().mean().item()
    sentence = (
        f"the residual exceeds {UNSETTLED:.0%} of the largest curvature on {share:.1%} of "
        "the samples, so that the values are "
        "curvatures along the directions found, and some directions may curve more: "
        + ("as at any step of a piecewise linear network" if step else "take more steps")
    )
    return {"unsettled_curvatures": sentence} if share else {}


def _curved(table: Table) -> Table:
    """The rows of the samples whose boundary has a curvature."""
    return table.take(table.rows_with("status", "found"))
