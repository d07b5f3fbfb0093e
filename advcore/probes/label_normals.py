"""The boundary's normal from labels alone, beside the true one (article, section II-D, eq. 16)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar, get_args

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm
from advcore.attacks.decisions.answers import LEAST_QUERIES, Decisions
from advcore.attacks.decisions.label_normals import Noise, expected_cosine, normal_from_labels
from advcore.attacks.decisions.low_frequencies import LowFrequencies, check_band
from advcore.classifier import Classifier, frozen, full_precision
from advcore.criteria import Untargeted
from advcore.curvature import BoundaryPoints, boundary_points, logit_difference
from advcore.logit_gradients import differentiate
from advcore.margins import ROUNDINGS, check_attack
from advcore.norms import L2
from advcore.probes.charts import Chart, Lines, Series, medians
from advcore.probes.margins import by_position
from advcore.probes.probe import Batch, Curve, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class LabelNormals:
    """The cosine of normals that are estimated from labels to the true one, over queries.

    At the end of each sample's minimal l2 perturbation, without a box, the normal of the boundary
    is estimated from the labels of q noisy points (`normal_from_labels`, the common part of GeoDA,
    QFool and HopSkipJump), and compared with the gradient of the difference of the two logits
    there. Both are of the m lowest frequencies. There is one row per number of queries x sample.

    Columns: `sample`; `queries`, q; `cosine` of the estimate to the true normal's part in the m
    frequencies; `flat`, the mean cosine at a flat boundary, `sqrt(a / (a + m - 1))` with `a = 2 q /
    pi` for normal noise, within 0.01 where q is 50 or more; `over_flat`, cosine over it;
    `random_cosine`, that of a random vector of the m frequencies, the control, 0 in the mean;
    `energy`, the share of the true normal's energy in the m frequencies; `labels_beyond`, the share
    of the noisy points with another label than the sample's, about half at a flat boundary;
    `distance` of the boundary, l2, pixel units; `status`: `found`, `not_found` (the distance is
    inf), or `no_gradient`, where the difference has none in these frequencies beyond rounding; in
    both the other numbers are NaN.

    Attributes:
        queries: numbers q of labels, growing.
        band: number of the lowest DCT frequencies along each side of a picture, at most the side;
            all of the space when None.
        sigma: standard deviation of the noise along a direction, as a share of the distance of the
            boundary.
        noise: kind of noise: normal, or random orthogonal bases.
        attack: attack that finds the minimal perturbation: a minimal-norm l2 attack without a box.
    """

    queries: tuple[int, ...] = (30, 100, 300, 1000)
    band: int | None = None
    sigma: float = 0.02
    noise: Noise = "normal"
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))

    shares: ClassVar[tuple[str, ...]] = (
        "energy",
        "labels_beyond",
    )

    def __post_init__(self) -> None:
        if not self.queries or any(one >= other for one, other in pairwise((0, *self.queries))):
            raise ValueError(
                f"queries must be a growing list of whole numbers from 1; got {list(self.queries)}"
            )
        check_band(self.band)
        if not self.sigma > 0:
            raise ValueError(f"sigma must be positive; got {self.sigma}")
        if self.noise not in get_args(Noise):
            raise ValueError(
                f"noise must be one of {', '.join(get_args(Noise))}; got {self.noise!r}"
            )
        check_attack(self.attack)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        LowFrequencies(shape, self.band)
        if self.band is not None and self.band > min(shape[1:]):
            raise ValueError(
                f"band must be at most {min(shape[1:])} frequencies a side, those of images of "
                f"{shape[1]} x {shape[2]} pixels; got {self.band}"
            )

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"queries": self.queries}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        basis = LowFrequencies(tuple(batch.inputs.shape[1:]), self.band)
        with full_precision(), frozen(classifier):
            points = boundary_points(
                classifier, batch.inputs, attack=self.attack, randomness=randomness
            )
            between = logit_difference(points.beyond, points.own)
            normal, _, _ = differentiate(classifier, points.images, between)
            distance = L2.size(points.images - batch.inputs)
            estimates, beyond = zip(
                *(
                    self._estimate(classifier, points, basis, distance, queries, randomness)
                    for queries in self.queries
                ),
                strict=True,
            )
        true, times = basis.coordinates(normal), len(self.queries)
        size, least = L2.size(normal), ROUNDINGS * torch.finfo(normal.dtype).eps
        sloping = points.found & (L2.size(true) > least * size)
        cosine = torch.cat([_cosine(estimate, true) for estimate in estimates])
        flat = cosine.new_tensor(
            [expected_cosine(self.noise, queries, basis.dim) for queries in self.queries]
        ).repeat_interleave(len(true))
        random = [
            randomness.stream("random", queries).normal((basis.dim,)).to(true.dtype)
            for queries in self.queries
        ]
        columns = {
            "cosine": cosine,
            "over_flat": cosine / flat,
            "random_cosine": torch.cat([_cosine(own, true) for own in random]),
            "energy": (L2.size(true) / size).square().repeat(times),
            "labels_beyond": torch.cat(beyond),
        }
        status = [
            ("not_found", "no_gradient", "found")[found + slope]
            for found, slope in zip(points.found.tolist(), sloping.tolist(), strict=True)
        ]
        return Table(
            {
                "sample": batch.indices.repeat(times),
                "queries": torch.tensor(self.queries).repeat_interleave(len(true)),
                **{
                    name: values.masked_fill(~sloping.repeat(times), torch.nan)
                    for name, values in columns.items()
                },
                "flat": flat,
                "distance": distance.masked_fill(~points.found, torch.inf).repeat(times),
                "status": status * times,
            }
        )

    @torch.no_grad()
    def _estimate(
        self,
        classifier: Classifier,
        points: BoundaryPoints,
        basis: LowFrequencies,
        distance: Tensor,
        queries: int,
        randomness: Randomness,
    ) -> tuple[Tensor, Tensor]:
        """Return the coordinates `(B, m)` of the estimates, and the share of labels beyond."""
        limit = queries + LEAST_QUERIES
        decisions = Decisions(classifier, points.images, Untargeted(points.own), L2, limit)
        estimate, beyond = normal_from_labels(
            decisions,
            points.images,
            basis,
            torch.full_like(points.own, queries),
            self.sigma * distance,
            randomness,
            self.noise,
            box=False,
        )
        return basis.coordinates(estimate), beyond

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        queries, cosine = _by_queries(table, "cosine")
        _, over = _by_queries(table, "over_flat")
        _, flat = _by_queries(table, "flat")
        numbers = queries.tolist()
        known = f"{int((~cosine[0].isnan()).sum())} samples whose boundary was found"
        return Summary(
            scalars={
                "found": (~cosine[0].isnan()).double().mean().item(),
                "median_energy": median(_by_queries(table, "energy")[1][0]),
                **{
                    f"median_over_flat/{q}": median(own)
                    for q, own in zip(numbers, over, strict=True)
                },
            },
            curves={
                "mean_cosine": Curve(numbers, cosine.nanmean(1).tolist()),
                "flat": Curve(numbers, flat[:, 0].tolist()),
            },
            meanings={
                "found": "share of samples whose boundary was found and has a normal",
                "median_energy": f"median over {known} of the share of the normal's energy in the "
                f"{self._frequencies()}",
                "median_over_flat": f"median over {known} of the cosine of estimate and normal "
                "over the mean one at a flat boundary, by queries",
                "mean_cosine": f"mean over {known} of the cosine of estimate and normal, by "
                "queries",
                "flat": "the mean cosine at a flat boundary, by queries",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        series, level = list[Series](), None
        for place, (model, table) in enumerate(tables.items()):
            queries, cosine = _by_queries(table, "cosine")
            known = cosine[:, ~cosine[0].isnan()].mT
            level = Series("flat boundary (mean)", queries, _by_queries(table, "flat")[1][:, 0])
            if len(known):
                series.append(replace(medians(model, queries, known), mark=place))
        if level is not None:
            series.append(replace(level, thin=True))
        return [
            Lines(
                name="label_normals",
                title="Normals of the decision boundary from labels alone",
                x_label="labels asked for at a point of the boundary",
                y_label="cosine to the true normal",
                series=series,
                x_scale="log",
                x_ticks=self.queries,
                y_limits=(0, 1.02),
                note=f"{self._frequencies().capitalize()}, {self.noise} noise of {self.sigma:g} "
                "distances to the boundary along a direction. Median over samples in its 95 % "
                "interval, faint between quartiles.",
            )
        ]

    def _frequencies(self) -> str:
        side = "all frequencies" if self.band is None else f"lowest {self.band} x {self.band} DCT"
        return side if self.band is None else f"{side} frequencies"


def _by_queries(table: Table, name: str) -> tuple[Tensor, Tensor]:
    """Return the numbers of queries and a column by them, `(queries, samples)`."""
    return by_position(table.numbers("queries"), table.numbers(name))


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    """Return the cosine of the angle between vectors `(B, m)`, `(B,)`; 0 where either is 0."""
    return (L2.steepest(one) * L2.steepest(other)).sum(1)
