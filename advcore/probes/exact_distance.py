"""Exact minimal distances between what is proven and what attacks find."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm
from advcore.attacks.attack import Status
from advcore.certify.affine_maps import affine_chain
from advcore.certify.exact import (
    PIECEWISE_LINEAR,
    ExactNorm,
    ExactStatus,
    check_start,
    exact_distance,
)
from advcore.certify.margin_bounds import Method, verified_radius
from advcore.classifier import Classifier, full_precision, predict
from advcore.criteria import Untargeted
from advcore.norms import check_norm
from advcore.probes.attack_labels import check_attacks, told_apart
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness

EXACT, LOWER = "exact", "exact_lower"
"""The names of the exact distance and of its proof among the methods."""

BOUNDS: dict[str, tuple[Method, ...]] = {"linf": ("ibp", "crown"), "l1": ()}
"""The bounds of margins that prove radii in each norm, the looser first."""

HALVINGS = 20
"""Halvings of the radii [0, 1] that bounds may prove: to a millionth of a pixel unit."""

LARGEST_RATIO = 1.5
"""End of the axis of distances over the exact one, which is 1."""

CLOSE = 0.02
"""Share of the exact distance within which an attack counts as close to it."""


@dataclass(frozen=True)
class ExactDistance:
    """Exact minimal distances from the predicted class, and what attacks find.

    There is one row per sample x method; see `advcore.certify.exact_distance`. The network is one
    of affine layers and ReLUs, of some dozens of units.

    Columns: `sample`; `method`: in linf `ibp` and `crown`, the radii that bounds prove, up to 1
    (see `advcore.certify.verified_radius`), `exact_lower`, `exact`, and the attacks by their names;
    `distance`, pixel units, inf where nothing was found; `excess`, the share of the exact distance
    by which it lies above it, or below, NaN where that is not known or infinite; `status`:
    `proven` of a radius, of `exact` and its proof `exact_lower` see `advcore.certify.ExactStatus`
    (`between`: the time was over, and the distance lies between the two; what a bound proved counts
    too), of attacks `advcore.attacks.Status`.

    Attributes:
        norm: linf or l1.
        attacks: minimal-norm attacks of that norm, all with `box` or all without; the exact search
            begins with what the first one finds. `minimal_norm` when there is none.
        box: keep images in [0, 1].
        seconds: time for the exact distance of a sample; what is not done then depends on the
            machine.
    """

    norm: ExactNorm = "linf"
    attacks: tuple[Attack, ...] = ()
    box: bool = True
    seconds: float = 60.0

    def __post_init__(self) -> None:
        check_norm(self.norm, ExactNorm)
        check_attacks("exact_distance", self.chosen)
        for attack in self.chosen:
            check_start(attack, self.norm, self.box, self.seconds)

    @property
    def chosen(self) -> tuple[Attack, ...]:
        """The attacks that run."""
        return self.attacks or (MinimalNorm(norm=self.norm, box=self.box),)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept inputs of any shape."""

    def check_layers(self, classifier: Classifier, inputs: Tensor) -> None:
        affine_chain(classifier, inputs, PIECEWISE_LINEAR)

    @property
    def methods(self) -> list[str]:
        """The names of all methods, in the order of their rows."""
        return [*BOUNDS[self.norm], LOWER, EXACT, *told_apart(self.chosen)]

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"method": self.methods}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        images, labels = batch.inputs, predict(classifier, batch.inputs)
        first = self.chosen[0]
        exact = exact_distance(
            classifier, images, labels, self.norm, self.box, first, self.seconds, randomness
        )
        known = [ExactStatus(code).name.lower() for code in exact.status.tolist()]
        unknown = (exact.status != ExactStatus.EXACT) | exact.distance.isinf()
        reference = exact.distance.masked_fill(unknown, torch.nan)
        distances, statuses = self._proven(classifier, images, labels)
        lower = torch.stack([*distances, exact.lower]).amax(0)  # the search may not have begun
        distances += [lower, exact.distance]
        statuses += [*known, *known]
        with full_precision():
            for attack in self.chosen:
                found = attack(classifier, images, Untargeted(labels), randomness)
                distances.append(found.distance.double())
                statuses += [Status(code).name.lower() for code in found.status.tolist()]
        return Table(
            {
                "sample": batch.indices.repeat(len(self.methods)),
                "method": [name for name in self.methods for _ in known],
                "distance": torch.cat(distances),
                "excess": torch.cat([own / reference - 1 for own in distances]),
                "status": statuses,
            }
        )

    def _proven(
        self, classifier: Classifier, images: Tensor, labels: Tensor
    ) -> tuple[list[Tensor], list[str]]:
        """Return the radii that bounds prove, `(B,)` each, and their statuses."""
        radii = [
            verified_radius(
                classifier, images, "linf", labels, 1.0, method, HALVINGS, self.box
            ).double()
            for method in BOUNDS[self.norm]
        ]
        return radii, ["proven"] * (len(radii) * len(images))

    def summarise(self, table: Table) -> Summary:
        rows = _by_method(table)
        exact = rows[EXACT]
        solved = [status == ExactStatus.EXACT.name.lower() for status in exact.words("status")]
        share = torch.tensor(solved).double().mean().item()
        known = exact.numbers("excess").isfinite()
        scalars = {"solved": share}
        for method, own in rows.items():
            scalars[f"median_distance/{method}"] = median(own.numbers("distance"))
        for method in told_apart(self.chosen):
            close = rows[method].numbers("excess")[known] <= CLOSE
            scalars[f"close/{method}"] = close.double().mean().item()
        count, warnings = len(solved), dict[str, str]()
        if share < 1:
            warnings["unsolved"] = (
                f"{1 - share:.0%} of the samples have no exact distance, and count in no close/: "
                f"most likely {self.seconds:g} seconds a sample do not suffice; raise them, or "
                "take a smaller network"
            )
        return Summary(
            scalars,
            warnings=warnings,
            meanings={
                "solved": f"share of {count} samples whose minimal distance is known exactly",
                "median_distance": f"median {self.norm} distance over {count} samples, from the "
                f"predicted class, {self._where}, pixels in [0, 1]",
                "close": f"share of the {int(known.sum())} samples whose minimal distance is known "
                "exactly and finite for which the attack finds a distance at most "
                f"{CLOSE:.0%} above it",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        note = (
            f"From the predicted class, {self._where}; where the time for a sample was over, exact "
            "is an upper bound."
        )
        distances = Lines(
            name="exact_distances",
            title="Minimal distances: proven, exact, attacked",
            x_label="samples, model by model, in the order of their exact distance",
            y_label=f"{self.norm} distance (pixels in [0, 1])",
            series=self._series(tables, "distance"),
            x_ticks=_middles(tables),
            y_limits=(0, None),
            note=note,
        )
        shares = self._series(tables, "excess")
        ratios = replace(
            distances,
            name="over_exact_distances",
            title="Distances proven and attacked, over the exact one",
            y_label=f"{self.norm} distance over the exact one",
            series=[replace(own, y=own.y + 1) for own in shares],
            y_limits=(0, LARGEST_RATIO),
            note=f"From the predicted class, {self._where}, where the exact distance is known. "
            f"What is more than {LARGEST_RATIO:g} times as far is not seen.",
        )
        return [distances, ratios]

    def _series(self, tables: Mapping[str, Table], column: str) -> list[Series]:
        """Return a line of the exact distance for each model, and points of the other methods."""
        lines, points = list[Series](), dict[str, list[Tensor]]()
        for table, begin in zip(tables.values(), _begins(tables), strict=True):
            rows = _by_method(table)
            order = rows[EXACT].numbers("distance").argsort()
            places = begin + torch.arange(len(order))
            exact = rows[EXACT].numbers(column)[order]
            lines.append(Series("" if lines else EXACT, places, exact, style="line", shade=0))
            for method in self.methods:
                points.setdefault(method, []).append(rows[method].numbers(column)[order])
        x = torch.cat([own.x for own in lines])
        drawn = [method for method in self.methods if method not in (EXACT, LOWER)]
        return lines + [
            Series(method, x, torch.cat(points[method]), style="points", shade=1 + place)
            for place, method in enumerate(drawn)
        ]

    @property
    def _where(self) -> str:
        return "in the box [0, 1]" if self.box else "without a box"


def _by_method(table: Table) -> dict[str, Table]:
    """Return the rows of each method, samples in their order."""
    names = dict.fromkeys(table.words("method"))
    return {name: table.take(table.rows_with("method", name)) for name in names}


def _begins(tables: Mapping[str, Table]) -> list[int]:
    """Return the place of each model's first sample, with room between models."""
    counts = [len(_by_method(table)[EXACT]["sample"]) for table in tables.values()]
    return [sum(counts[:place]) + 2 * place for place in range(len(counts))]


def _middles(tables: Mapping[str, Table]) -> dict[float, str]:
    """Return the name of each model at the place of its middle sample."""
    counts = [len(_by_method(table)[EXACT]["sample"]) for table in tables.values()]
    return {
        begin + (count - 1) / 2: model
        for model, begin, count in zip(tables, _begins(tables), counts, strict=True)
    }
