"""The energy of new networks' input gradients in their leading directions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from advcore.classifier import Classifier
from advcore.learnt import Learnt
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.margins import by_position
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.subspaces import check_directions

DIRECTIONS = (1, 10, 100)
"""The numbers of directions when none are given, as far as inputs have so many."""
SPECTRA = {
    "held_out": "energy of one half of the networks' gradients in the other half's directions",
    "energy": "the same of all of them in their own directions, which noise raises",
    "null": "as held_out, of as many isotropic vectors of the same lengths",
    "null_energy": "as energy, of the same isotropic vectors",
}
"""The columns, and what each is of the m leading directions."""


@dataclass(frozen=True)
class AnisotropySpectrum:
    """The energy of input gradients in the m leading neural anisotropy directions.

    It reads what the fit `anisotropy` learnt, and looks at no sample: its rows, one per m, stand at
    one sample of the data.

    Columns: `sample`; `directions`, m; `held_out`, energy that one half of the initialisations has
    in the m leading directions of the other; `energy`, that of all in their own; `null` and
    `null_energy`, both of isotropic vectors; `chance`, m / D; `over_null`, held_out over null.

    Attributes:
        fit: fit `anisotropy`.
        directions: numbers m of directions, growing; 1, 10 and 100 when not given, or as many as
            inputs have.
    """

    fit: Learnt
    directions: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        own = self.directions
        if own is not None and (not own or own[0] < 1 or list(own) != sorted({*own})):
            raise ValueError(f"directions must be positive and grow; got {list(own)}")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers m of directions."""
        if self.directions is not None:
            return self.directions
        known = self.fit.shape_of("held_out")
        return DIRECTIONS if known is None else tuple(m for m in DIRECTIONS if m <= known[0])

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_directions(shape, self.numbers[-1])
        self.fit.shape_of("held_out")

    def settled(self, shape: tuple[int, ...]) -> "AnisotropySpectrum":
        return replace(self, directions=self.numbers)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"directions": self.numbers}

    @property
    def drawn(self) -> int:
        """The number of samples that are measured."""
        return 1

    def samples(self, batch: Batch) -> Batch:
        return batch.drawn(1)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        indices = self.samples(batch).indices
        counts = torch.tensor(self.numbers, device=indices.device)[
            : len(indices) * len(self.numbers)
        ]
        names = {"held_out": "held_out", "energy": "energy", "null": "null_held_out"}
        columns = {
            name: self.fit[tensor].double().cumsum(0).to(indices.device)[counts - 1]
            for name, tensor in {**names, "null_energy": "null_energy"}.items()
        }
        return Table(
            {
                "sample": indices.repeat(len(self.numbers)),
                "directions": counts,
                **columns,
                "chance": counts.double() / len(self.fit["held_out"]),
                "over_null": columns["held_out"] / columns["null"],
            }
        )

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        counts = table.numbers("directions").long().tolist()
        found = {name: table.numbers(name).tolist() for name in SPECTRA}
        scalars = {
            f"{name}/{m}": value
            for name, values in found.items()
            for m, value in zip(counts, values, strict=True)
        }
        return Summary(
            scalars=scalars,
            curves={name: Curve(counts, values) for name, values in found.items()},
            meanings={name: f"{text}, by m" for name, text in SPECTRA.items()},
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        series: list[Series] = []
        for model, table in tables.items():
            m, own = by_position(table.numbers("directions"), table.numbers("held_out"))
            series.append(Series(model, m, 100 * own[:, 0], mark=len(series)))
        m, null = by_position(table.numbers("directions"), table.numbers("null"))
        return [
            Lines(
                name="anisotropy_spectrum",
                title="Input gradients of new networks",
                x_label=f"leading directions m of the fit {self.fit.family}",
                y_label="energy of the other half's gradients (%)",
                series=[*series, Series("isotropic vectors", m, 100 * null[:, 0], thin=True)],
                x_scale="log",
                y_limits=(0, None),
                note="Directions of one half of the initialisations, energy of the other.",
            )
        ]
