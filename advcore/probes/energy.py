"""The share of perturbations that lies in a fitted subspace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, kind_and_norm
from advcore.classifier import Classifier
from advcore.learnt import Learnt
from advcore.margins import check_attack, minimal_perturbations
from advcore.norms import L2
from advcore.probes.charts import Chart, Lines, Series, medians
from advcore.probes.margins import by_position
from advcore.probes.probe import Batch, Curve, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.subspaces import check_directions, check_leading, leading_directions

DIRECTIONS = (10, 50)
"""The numbers of directions when none are given."""


@dataclass(frozen=True)
class Energy:
    """The energy of vectors in the leading directions of a fit, against that of random vectors.

    It is `||P_m v||^2 / ||v||^2`, P_m the projection on the m leading directions; a random vector
    has m / D of it in the mean. The vectors are the minimal l2 perturbations of the samples, from
    the predicted label and without a box, one row per m x sample; or those of another fit, one row
    per vector x m, which do not hang on samples: they stand at one sample of the data.

    Columns: `sample`; `vector`, number of the vector, 0 where there is one; `directions`, m;
    `energy`, NaN where no perturbation was found; `chance`, m / D; `over_chance`, energy over
    chance; `norm`, l2, of the vector, in pixel units, inf where none was found.

    Attributes:
        subspace: fit with orthonormal `directions` (k, *shape), the leading one first.
        vectors: fit with a `vector` (*shape) or, if it has none, `directions`; the samples' minimal
            perturbations when not given.
        directions: numbers m of directions, growing; 10 and 50 when not given, or as many as
            `subspace` has.
        attack: attack that finds the minimal perturbation: a minimal-norm l2 attack without a box.
    """

    subspace: Learnt
    vectors: Learnt | None = None
    directions: tuple[int, ...] | None = None
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))

    def __post_init__(self) -> None:
        counts = None if self.directions is None else list(self.directions)
        if counts is not None and (not counts or counts[0] < 1 or counts != sorted(set(counts))):
            raise ValueError(
                f"directions must be a growing list of whole numbers from 1; got {counts}"
            )
        check_attack(self.attack)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_directions(shape, self.numbers[-1])
        check_leading(self.subspace, shape, self.numbers[-1])
        if self.vectors is not None:
            self._check_vectors(self.vectors, shape)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers m of directions."""
        if self.directions is not None:
            return self.directions
        known = self.subspace.shape_of("directions")
        most = DIRECTIONS[-1] if known is None else known[0]
        return tuple(sorted({min(m, most) for m in DIRECTIONS}))

    def settled(self, shape: tuple[int, ...]) -> "Energy":
        return replace(self, directions=self.numbers)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"directions": self.numbers}

    @property
    def drawn(self) -> int | None:
        """The number of samples that are measured."""
        return None if self.vectors is None else 1

    def samples(self, batch: Batch) -> Batch:
        return batch if self.vectors is None else batch.drawn(1)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        if self.vectors is not None:
            return self._of_fit(self.vectors, self.samples(batch))
        found = minimal_perturbations(classifier, batch.inputs, self.attack, randomness)
        nothing = found.images.new_full((), torch.nan)
        ways = torch.where(
            found.found.view(-1, *[1] * (batch.inputs.dim() - 1)), found.images, nothing
        )
        return self._table(ways, batch.indices, torch.zeros_like(batch.indices))

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        numbers, energy = _by_count(table, "energy")
        chance = _by_count(table, "chance")[1][:, 0]
        middle = [median(own) for own in energy]
        means = energy.nanmean(1)
        scalars = {"found": (~energy[0].isnan()).double().mean().item()}
        for m, own, mean, share in zip(numbers, middle, means, chance, strict=True):
            scalars |= {
                f"median_energy/{m}": own,
                f"mean_energy/{m}": mean.item(),
                f"mean_over_chance/{m}": (mean / share).item(),
            }
        return Summary(
            scalars=scalars,
            curves={
                "median_energy": Curve(numbers, middle),
                "chance": Curve(numbers, chance.tolist()),
            },
            meanings=self._meanings(energy.shape[1]),
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        numbers, chance = _by_count(next(iter(tables.values())), "chance")
        m = torch.tensor(numbers)
        series = [
            replace(medians(model, m, 100 * own[:, ~own[0].isnan()].mT), mark=place)
            for place, (model, table) in enumerate(tables.items())
            for own in [_by_count(table, "energy")[1]]
            if not own[0].isnan().all()
        ]
        return [
            Lines(
                name="energy",
                title="Energy in a fitted subspace",
                x_label=f"leading directions m of the fit {self.subspace.family}",
                y_label="energy ‖P v‖² / ‖v‖² (%)",
                series=[*series, Series("random vectors, m / D", m, 100 * chance[:, 0], thin=True)],
                x_ticks=numbers,
                y_limits=(0, None),
                note=f"Median over {self._what()}; its 95 % interval, faint between quartiles.",
            )
        ]

    def _check_vectors(self, fit: Learnt, shape: tuple[int, ...]) -> None:
        """Raise ValueError for a fit that has neither a vector nor directions, of such inputs."""
        known = fit.shape_of("vector", "directions")
        if known is not None and known[len(known) - len(shape) :] != tuple(shape):
            raise ValueError(
                f"the fit {fit.name} has vectors of inputs {known}; these are {tuple(shape)}: give "
                "a fit of such inputs"
            )

    def _of_fit(self, fit: Learnt, batch: Batch) -> Table:
        """Return the rows of the vectors of a fit, at one sample or none."""
        single = "vector" in (fit.tensors or ())
        given = fit["vector"][None] if single else fit["directions"]
        count = len(given) if len(batch.indices) else 0
        vectors = given[:count].to(batch.inputs)
        return self._table(
            vectors,
            batch.indices.repeat(count),
            torch.arange(count, device=batch.indices.device),
        )

    def _table(self, vectors: Tensor, samples: Tensor, numbers: Tensor) -> Table:
        """Return one row per m x vector of `vectors` `(n, *shape)`, NaN where there is none."""
        shape, most = vectors.shape[1:], self.numbers[-1]
        basis = leading_directions(self.subspace, shape, most).flatten(1)
        flat = vectors.flatten(1).double()
        within = (L2.steepest(flat) @ basis.to(flat).mT).square().cumsum(1)
        counts = torch.tensor(self.numbers, device=within.device)
        energy = within[:, counts - 1].mT.flatten()
        chance = (counts.double() / flat.shape[1]).repeat_interleave(len(flat))
        times = len(self.numbers)
        return Table(
            {
                "sample": samples.repeat(times),
                "vector": numbers.repeat(times),
                "directions": counts.repeat_interleave(len(flat)),
                "energy": energy,
                "chance": chance,
                "over_chance": energy / chance,
                "norm": L2.size(flat).nan_to_num(torch.inf).repeat(times),
            }
        )

    def _what(self) -> str:
        if self.vectors is not None:
            return f"the vectors of the fit {self.vectors.family}"
        return (
            f"the samples' minimal perturbations by {kind_and_norm(self.attack)}, from the "
            "predicted label, no box"
        )

    def _meanings(self, count: int) -> dict[str, str]:
        energy = f"energy ||P v||^2 / ||v||^2 in the m leading directions of {self.subspace.family}"
        over = f"over {count} vectors, {self._what()}, by m"
        return {
            "found": f"share of {count} vectors that there are, {self._what()}",
            "median_energy": f"median of the {energy}, {over}",
            "mean_energy": f"mean of the {energy}, {over}",
            "mean_over_chance": f"mean of the {energy}, over m / D, {over}",
            "chance": "energy m / D of a random vector, in the mean, by m",
        }


def _by_count(table: Table, name: str) -> tuple[list[int], Tensor]:
    """Return the numbers of directions and a column by them, `(directions, vectors)`."""
    numbers, values = by_position(table.numbers("directions"), table.numbers(name))
    return numbers.tolist(), values
