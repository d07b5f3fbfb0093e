"""Directions along which the loss is curved at many samples, and what minimal perturbations have of
them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, Status
from advcore.classifier import Classifier, full_precision
from advcore.curvature import Stacked, cross_entropy, energy, input_hessian, lanczos, random_basis
from advcore.margins import check_attack, minimal_perturbations
from advcore.norms import L2
from advcore.probes.charts import Chart, Lines, Series, medians
from advcore.probes.probe import Batch, Curve, Summary, median
from advcore.probes.profiles import unsettled
from advcore.probes.table import Table
from advcore.randomness import Randomness, drawn_places

TOLERANCE = 1e-5
"""Of Lanczos, as a share of the sample's largest eigenvalue: what is below it is not told from
0."""

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
"""What the summary's numbers are."""

ONE = Randomness(0, torch.zeros(1, dtype=torch.int64))
"""What the summary draws from: the random directions are the same for every model and every
study."""


@dataclass(frozen=True)
class SharedCurvature:
    """Each sample's most curved directions, from which the shared ones are made (Moosavi-Dezfooli
    et al. 2018, section 4); one row per sample.

    Columns: `sample`; `eigenvalues` `(top,)`, the largest in magnitude of the input Hessian of
    cross-entropy with the true label, the largest first (loss per pixel unit squared);
    `eigenvectors` `(top, D)`, unit, signed so that the entry of largest magnitude is positive; NaN
    and 0 where a second derivative is not finite, a sample that the summary leaves out; `residual`,
    the largest `||H v - value v||` of them; `direction` `(D,)`, of the minimal l2 perturbation,
    unit, 0 where none was found; `distance`, its norm in pixel units, inf there; `status`. An
    eigenvalue within 1e-5 of the sample's largest is not told from 0: it is 0, and its vector too.
    In shards of another size a vector is the same to about 1e-5 over its eigenvalue's share of the
    largest, and what is summarised to 1e-5.

    A row holds `(top + 1) D` numbers: 31 kB for digits and 6.6 MB for images of 3 x 224 x 224 with
    `top` 10 in float32, and a whole table of them is summarised in memory.

    The summary parts the samples into halves, drawn by a hash of their indices (data may lie in the
    order of their classes): S_m is spanned by the m leading eigenvectors, by magnitude, of the mean
    Hessian of the first half (but for what `top` leaves out, see `advcore.curvature.Stacked`). On
    the second half, which is not seen in the fit, it gives the mean of `v^T H v` over the m
    directions, against as many random directions, and the share `||P r|| / ||r||` of minimal
    perturbations that S_m holds, against `sqrt(m / D)`, that of random ones. Whether random vectors
    of S_m fool samples takes the model again when all rows are there, which no probe has: see
    `advcore.curvature.fools`.

    Attributes:
        top: eigenpairs of each sample; K - 1 are all there are where the network is piecewise
            linear with K classes, at step 0.
        step: of the Hessian, l2, pixel units; 0 for the exact one. At a step look at `residual`,
            see `advcore.curvature.DifferenceHessian`.
        directions: the largest m.
        attack: what finds the minimal perturbation: a minimal-norm l2 attack without a box.
    """

    top: int = 10
    step: float = 0.0
    directions: int = 20
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))

    def __post_init__(self) -> None:
        for name in ("top", "directions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not 0 <= self.step < math.inf:
            raise ValueError(
                f"step must be a length in pixel units, 0 for the exact Hessian; got {self.step}"
            )
        check_attack(self.attack)

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        for name in ("top", "directions"):
            if getattr(self, name) > math.prod(shape):
                raise ValueError(
                    f"{name} must not exceed the image's dimension, {math.prod(shape)}; got "
                    f"{getattr(self, name)}"
                )

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision():
            hessian = input_hessian(
                classifier, batch.images, cross_entropy(batch.labels), self.step
            )
            pairs = lanczos(
                hessian, randomness, hessian.shape[1], self.top, batch.images.dtype, TOLERANCE
            )
            nothing = ~(pairs.values.abs() > TOLERANCE * pairs.values.abs().amax(1, keepdim=True))
            result = minimal_perturbations(classifier, batch.images, self.attack, randomness)
            way = L2.steepest(result.images.flatten(1))
        return Table(
            {
                "sample": batch.indices,
                "eigenvalues": pairs.values.masked_fill(nothing & pairs.values.isfinite(), 0),
                "eigenvectors": _signed(pairs.vectors).masked_fill(nothing[:, :, None], 0),
                "residual": pairs.residuals.amax(1),
                "direction": way.masked_fill(~result.found[:, None], 0),
                "distance": result.distance,
                "status": [Status(code).name.lower() for code in result.status.tolist()],
            }
        )

    def summarise(self, table: Table) -> Summary:
        seen = _unseen_half(table, self.directions)
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

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        halves = {model: _unseen_half(table, self.directions) for model, table in tables.items()}
        some = next(iter(tables.values()))
        return [
            _curvatures(halves, self.step),
            _energies(halves, some.numbers("direction").shape[1]),
        ]


def _signed(vectors: Tensor) -> Tensor:
    """Vectors `(B, k, D)`, each or its opposite: their signs are chance."""
    return vectors * vectors.gather(2, vectors.abs().argmax(2, keepdim=True)).sign()


def _medians(values: Tensor) -> list[float]:
    """Over samples, of `(samples, n)`."""
    return [median(column) for column in values.unbind(1)]


def _line(label: str, x: Tensor, values: Tensor) -> Series:
    """The medians that the summary gives, in their intervals and the quartiles' band."""
    return replace(medians(label, x, values), y=torch.tensor(_medians(values)))


def _unseen_half(table: Table, directions: int) -> dict[str, Tensor]:
    """What the directions of the first half are to the second, for each number m of them: `shared`
    and `random`, the mean curvature along m shared and m random directions, `(samples, m)`;
    `energy`, of the minimal perturbations that were found.
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
    """The mean of `v^T H v` over the first m of orthonormal `directions` `(count, D)`, for m =
    1..count, `(samples, count)`; H has the eigenpairs `values` `(samples, k)` and `vectors`
    `(samples, k, D)`.
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
