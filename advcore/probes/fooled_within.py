"""Random vectors of a fitted subspace, added to all samples: how many they fool.

Source: Moosavi-Dezfooli et al. 2018.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from advcore.classifier import Classifier, first_logits, frozen, full_precision
from advcore.learnt import Learnt
from advcore.norms import L2
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.margins import by_position
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.shifted_vectors import effects, random_points
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.shares import wilson
from advcore.subspaces import (
    check_directions,
    check_leading,
    leading_directions,
    number_of_directions,
)

KINDS = ("subspace", "sphere")
"""The kinds of random vectors: in the subspace, and in the whole space."""


@dataclass(frozen=True)
class FooledWithin:
    """Samples under random vectors of a fitted subspace, beside random vectors of the whole space.

    One row per kind x norm x sample. The vectors are uniform over directions, those of the subspace
    over its own; they are the same for all samples and models, and at each norm, scaled. There is
    no box, unless `box` says so.

    Columns: `sample`; `kind`, `subspace` or `sphere`; `norm` of the vectors, l2, in pixel units;
    `fooled`, share of the vectors under which the prediction differs from that of the sample
    itself.

    Attributes:
        fit: fit with orthonormal `directions` (k, *shape), the leading one first.
        directions: number m of leading directions that span the subspace; when not given 10, or as
            many as the fit has.
        norms: l2 norms of the vectors, growing, in pixel units.
        draws: number of random vectors of each kind.
        box: true to clip the shifted inputs to [0, 1].
    """

    fit: Learnt
    directions: int | None = None
    norms: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    draws: int = 10
    box: bool = False

    shares: ClassVar[tuple[str, ...]] = ("fooled",)

    def __post_init__(self) -> None:
        for name, value in {"directions": self.directions, "draws": self.draws}.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")
        norms = list(self.norms)
        if not norms or norms != sorted(set(norms)) or not 0 < norms[0] <= norms[-1] < math.inf:
            raise ValueError(
                "norms must be a growing list of finite positive numbers in pixel units; got "
                f"{norms}"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_directions(shape, self.number)
        check_leading(self.fit, shape, self.number)

    @property
    def number(self) -> int:
        """The number of directions, which follows from the fit where it is not given."""
        return number_of_directions(self.fit, self.directions)

    def settled(self, shape: tuple[int, ...]) -> "FooledWithin":
        return replace(self, directions=self.number)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"kind": KINDS, "norm": self.norms}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        units = self._units(tuple(batch.inputs.shape[1:]), randomness.seed)
        with full_precision(), frozen(classifier), torch.no_grad():
            own = first_logits(classifier, batch.inputs).argmax(1)
            fooled = [
                effects(classifier, batch, own, norm * units[kind], self.box)[0]
                for kind in KINDS
                for norm in self.norms
            ]
        count, norms = len(own), torch.tensor(self.norms, dtype=torch.float64)
        return Table(
            {
                "sample": batch.indices.repeat(len(fooled)),
                "kind": [kind for kind in KINDS for _ in range(len(norms) * count)],
                "norm": norms.repeat_interleave(count).repeat(len(KINDS)),
                "fooled": torch.cat(fooled),
            }
        )

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        rates = {kind: _rates(table, kind) for kind in KINDS}
        count = len(table.numbers("sample").unique())
        clipped = "clipped to [0, 1]" if self.box else "without a box"
        rate = f"share of {count} samples x {self.draws} vectors whose predicted label changes"
        return Summary(
            scalars={f"fooling_rate/{kind}": own[-1].item() for kind, own in rates.items()},
            curves={
                f"fooling_rate_over_norm/{kind}": Curve(self.norms, own.tolist())
                for kind, own in rates.items()
            },
            meanings={
                "fooling_rate": (
                    f"{rate} under random vectors of l2 norm {self.norms[-1]:g} (pixels in [0, "
                    f"1]), {clipped}: in {self._subspace()}, or of the whole space (sphere)"
                ),
                "fooling_rate_over_norm": f"{rate} under such vectors, by their norm, {clipped}",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        series = [
            self._series(f"{model}, {words}", table, kind, place)
            for place, (model, table) in enumerate(tables.items())
            for kind, words in zip(KINDS, ("subspace", "whole space"), strict=True)
        ]
        if not series:
            return []
        return [
            Lines(
                name="fooled_within",
                title="Samples fooled by random vectors of a fitted subspace",
                x_label="l2 norm of the vectors (pixels in [0, 1])",
                y_label="changed predictions (%)",
                series=series,
                x_ticks=self.norms,
                y_limits=(0, None),
                note=(
                    f"Mean over {self.draws} random vectors, the same for all samples, in "
                    f"{self._subspace()}; {'clipped to [0, 1]' if self.box else 'no box'}; band: "
                    "95 % over samples (Wilson)."
                ),
            )
        ]

    def _units(self, shape: tuple[int, ...], seed: int) -> dict[str, Tensor]:
        """Return the random unit vectors of each kind, `(draws, *shape)`, in float64."""
        basis = leading_directions(self.fit, shape, self.number).detach().cpu().double()
        inside = random_points(seed, self.draws, (self.number,), "l2") @ basis.flatten(1)
        return {
            "subspace": L2.steepest(inside).view(-1, *shape),
            "sphere": random_points(seed, self.draws, shape, "l2"),
        }

    def _subspace(self) -> str:
        return f"the {self.number} leading directions of the fit {self.fit.family}"

    def _series(self, label: str, table: Table, kind: str, place: int) -> Series:
        rates, count = _rates(table, kind), len(table.numbers("sample").unique())
        bands = [wilson(rate * count, count) for rate in rates.tolist()]
        low, high = (100 * torch.tensor(ends) for ends in zip(*bands, strict=True))
        mark = 2 * place + KINDS.index(kind)
        x = torch.tensor(self.norms)
        return Series(label, x, 100 * rates, low, high, shade=place, mark=mark)


def _rates(table: Table, kind: str) -> Tensor:
    """Return the mean share of one kind of vectors at each norm."""
    own = table.take(table.rows_with("kind", kind))
    return by_position(own.numbers("norm"), own.numbers("fooled"))[1].mean(1)
