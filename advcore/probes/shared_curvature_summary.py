"""The shared curved directions of a table's samples, their summary and charts."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from advcore.curvature import Stacked, energy, lanczos, random_basis
from advcore.probes.charts import Chart, Lines, Series, medians
from advcore.probes.probe import Curve, Summary, median
from advcore.probes.profiles import unsettled
from advcore.probes.table import Table
from advcore.randomness import Randomness, drawn_places

MEANINGS = {
    "directions": "how many shared directions, m",
    "mean_curvature/shared": (
        "mean over the unseen half of the samples of the mean curvature along the shared "
        "directions, loss per pixel unit squared: that of the few samples near the boundary"
    ),
    "mean_curvature/random": "the same along as many random directions",
    "median_curvature/shared": "median over those samples, which the figure draws",
    "median_curvature/random": "the same along as many random directions",
    "median_energy": (
        "median share of the length of the unseen half's minimal perturbations in the span of "
        "the shared directions"
    ),
    "energy_of_random": "that share of a random perturbation, the root of m / D",
    "found": (
        "share of samples whose minimal perturbation was found (l2, out of the predicted "
        "class, no box)"
    ),
}
"""Meanings of the summary's numbers."""

ONE = Randomness(0, torch.zeros(1, dtype=torch.int64))
"""Seed of the summary's random directions: they are the same for every model and every study."""


def summarise_shared(table: Table, directions: int) -> Summary:
    """Return the numbers of a table of the probe `shared_curvature`.

    There are at most so many shared directions.
    """
    seen = _unseen_half(table, directions)
    last = {name: values[:, -1] for name, values in seen.items()}
    count, dimension = seen["shared"].shape[1], table.numbers("direction").shape[1]
    sizes = list(range(1, count + 1))
    return Summary(
        scalars={
            "directions": count,
            "mean_curvature/shared": last["shared"].mean().item(),
            "mean_curvature/random": last["random"].mean().item(),
            "median_curvature/shared": median(last["shared"]),
            "median_curvature/random": median(last["random"]),
            "median_energy": median(last["energy"]),
            "energy_of_random": math.sqrt(count / dimension),
            "found": torch.isfinite(table.numbers("distance")).double().mean().item(),
        },
        curves={
            **{
                f"mean_curvature/{name}": Curve(sizes, seen[name].mean(0).tolist())
                for name in ("shared", "random")
            },
            **{
                f"median_curvature/{name}": Curve(sizes, _medians(seen[name]))
                for name in ("shared", "random")
            },
            "median_energy": Curve(sizes, _medians(seen["energy"])),
        },
        warnings=unsettled(table),
        meanings=MEANINGS,
    )


def shared_charts(tables: Mapping[str, Table], directions: int, step: float) -> list[Chart]:
    """Return the charts of the curvature along shared directions.

    Also of what they hold of minimal perturbations; Hessians are at a step.
    """
    halves = {model: _unseen_half(table, directions) for model, table in tables.items()}
    some = next(iter(tables.values()))
    return [
        _curvatures(halves, step),
        _energies(halves, some.numbers("direction").shape[1]),
    ]


def _unseen_half(table: Table, directions: int) -> dict[str, Tensor]:
    """Measure the directions of the first half on the second, for each number m of them.

    `shared` and `random` are the mean curvature along m shared and m random directions, `(samples,
    m)`; `energy` is that of the minimal perturbations that were found.
    """
    table = table.take(table.numbers("eigenvalues").isfinite().all(1))
    samples = len(table["sample"])
    if samples < 2:
        raise ValueError(
            "shared directions are made from one half of the samples and tried on the other; "
            f"got {samples}: take more"
        )
    first, second = drawn_places(table.numbers("sample")).argsort().tensor_split(2)
    values, vectors = table.numbers("eigenvalues"), table.numbers("eigenvectors")
    dimension = vectors.shape[2]
    count = max(
        1, min(directions, dimension, int((values[first] != 0).sum()))
    )  # the rank of the mean, at most
    pairs = lanczos(Stacked(values[first], vectors[first]), ONE, dimension, count, vectors.dtype)
    shared = pairs.vectors[0]
    ways = table.numbers("direction")[second]
    found = torch.isfinite(table.numbers("distance")[second])
    return {
        "shared": _curvature(values[second], vectors[second], shared),
        "random": _curvature(
            values[second], vectors[second], random_basis(ONE, count, dimension, vectors.dtype)
        ),
        "energy": torch.stack(
            [energy(shared[: m + 1], ways[found] if found.any() else ways) for m in range(count)], 1
        ),
    }


def _curvature(values: Tensor, vectors: Tensor, directions: Tensor) -> Tensor:
    """Return the mean of `v^T H v` over the first m directions, m = 1..count.

    It is `(samples, count)`. The `directions` `(count, D)` are orthonormal; H has the eigenpairs
    `values` `(samples, k)` and `vectors` `(samples, k, D)`.
    """
    along = ((vectors @ directions.mT).square() * values[:, :, None]).sum(1)
    return along.cumsum(1) / torch.arange(1, len(directions) + 1, device=along.device)


def _curvatures(halves: Mapping[str, Mapping[str, Tensor]], step: float) -> Chart:
    series = []
    for shade, (model, half) in enumerate(halves.items()):
        sizes = torch.arange(1, half["shared"].shape[1] + 1)
        series.append(
            replace(
                _line(f"{model}, shared directions", sizes, half["shared"]), shade=shade, mark=0
            )
        )
        series.append(
            replace(
                _line(f"{model}, random directions", sizes, half["random"]),
                outer=None,
                shade=shade,
                mark=1,
            )
        )
    return Lines(
        name="shared_curvature",
        title="Curvature at unseen samples along shared directions",
        x_label="number of directions m",
        y_label="mean curvature along them "
        + (f"at step {step:g} " if step else "")
        + "(loss per pixel unit²)",
        series=series,
        y_scale="symlog" if any((half["shared"] < 0).any() for half in halves.values()) else "log",
        note=(
            "Shared: leading eigenvectors of the mean Hessian of the first half of the samples. "
            "Medians over the second half in their 95 % intervals, and fainter between the "
            "quartiles of the shared ones; a mean would be that of few samples, and may order "
            "networks otherwise."
        ),
    )


def _energies(halves: Mapping[str, Mapping[str, Tensor]], dimension: int) -> Chart:
    sizes = torch.arange(1, max(half["energy"].shape[1] for half in halves.values()) + 1)
    series = [
        _line(model, sizes[: half["energy"].shape[1]], half["energy"])
        for model, half in halves.items()
    ]
    return Lines(
        name="energy",
        title="Minimal perturbations in the shared curved directions",
        x_label="number of directions m",
        y_label="share of the perturbation's norm in their span",
        series=[
            *series,
            Series("random perturbations, √(m / D)", sizes, (sizes / dimension).sqrt()),
        ],
        y_limits=(0, None),
        note=(
            "Directions of the first half of the samples, perturbations of the second: median "
            f"in its 95 % interval, and between the quartiles. D = {dimension}."
        ),
    )


def _medians(values: Tensor) -> list[float]:
    """Return the median over samples of each column of `(samples, n)`."""
    return [median(column) for column in values.unbind(1)]


def _line(label: str, x: Tensor, values: Tensor) -> Series:
    """The medians that the summary gives, in their intervals and the quartiles' band."""
    return replace(medians(label, x, values), y=torch.tensor(_medians(values)))
