"""Transfer between networks: adversarial images made on one may fool another.

Source: Szegedy et al. 2014, section 4.2.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, get_args

import torch
from torch import Tensor

from advcore.attacks import Attack, DeepFool, Status, kind_and_norm
from advcore.attacks.attack import has_budget, norm_of
from advcore.box import keeps_box
from advcore.classifier import Classifier, full_precision, predict
from advcore.criteria import Untargeted
from advcore.norms import L2OrLinf, norm_by_name
from advcore.probes.charts import Chart, Lines, Maps, Series, shares
from advcore.probes.probe import NOBODY, Batch, Curve, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.transferability import fooled, scale_perturbation, transfer_rates

RATE = (
    "Transfer rate: of the images found on the network attacked, those that change the "
    "prediction of the one tested."
)
"""Sentence below the charts."""

ATTACK, RANDOM = "attack", "random"
"""The kinds of perturbations."""

BY_CHANCE = "Thin: random perturbations of the same lengths. "
"""Sentence below the lines where there are random perturbations."""


@dataclass(frozen=True)
class Transfer:
    """Adversarial images of a network, from its predicted labels, shown to others.

    There is one row per sample x other network x scale, with `random` one more of each.

    Columns: `sample`; `to`, the other network's name; `scale`; with `random`, `perturbation`:
    `attack`, or `random` for random directions, the same for all networks and scales, uniform in l2
    and corners of the cube in linf, as far as the attack went; `found`, whether the attack found an
    image; `fooled`, whether the other network's own prediction changes from the image to the
    lengthened one (`advcore.transferability`), in `random` the share of the directions for which it
    does, false where none was found; `distance`, the attack's, before it is lengthened, in pixel
    units, inf where none was found; `status`.

    Every network of the study is attacked, and tried itself where `to` names it. Each worker holds
    all that `to` names at once. In a graph networks of one seed meet, and `to` names them without
    it: `plain net=lenet`.

    Attributes:
        attack: minimal-norm attack, or one with its own `eps`.
        to: names of models of the study on which the images are tried; all of them when empty.
        scales: factors by which the perturbations are lengthened, ascending. A minimal perturbation
            barely crosses its own network's boundary and seldom another's. In a box, where the
            attack keeps to it, what leaves [0, 1] is cut.
        random: number of random perturbations of the same length that are tried for each sample,
            too, for attacks in l2 or linf.
    """

    attack: Attack = field(default_factory=lambda: DeepFool(norm="l2", box=False))
    to: tuple[str, ...] = ()
    scales: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0)
    random: int = field(default=0, metadata={"later": True})

    shares: ClassVar[tuple[str, ...]] = ("fooled",)

    def __post_init__(self) -> None:
        if has_budget(self.attack) and self.attack.eps is None:
            raise ValueError(
                "transfer takes no eps from elsewhere: give "
                f"{kind_and_norm(self.attack)} its own eps"
            )
        if len(set(self.to)) < len(self.to):
            raise ValueError(f"to must name each model once; got {', '.join(self.to)}")
        steps = [0.0, *self.scales, math.inf]
        if not self.scales or any(one >= other for one, other in pairwise(steps)):
            raise ValueError(f"scales must be positive numbers, ascending; got {self.scales}")
        if self.random < 0:
            raise ValueError(f"random must be a number of perturbations from 0; got {self.random}")
        if self.random and norm_of(self.attack) not in get_args(L2OrLinf):
            raise ValueError(
                f"random perturbations are of l2 or linf; the attack's norm is "
                f"{norm_of(self.attack)}: leave random out"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def partners(self, models: Sequence[str]) -> Sequence[str]:
        return self.to or models

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"scale": self.scales}

    def measure(
        self,
        classifier: Classifier,
        batch: Batch,
        randomness: Randomness,
        others: Mapping[str, Classifier] = NOBODY,
    ) -> Table:
        if not others:
            raise ValueError(
                "transfer shows its images to other networks; got none: give `others`, by name"
            )
        with full_precision():
            result = self.attack(
                classifier, batch.inputs, Untargeted(predict(classifier, batch.inputs)), randomness
            )
            changed = self._tried(batch.inputs, result.images, others)
            if self.random:
                length = torch.where(result.found, result.distance, 0.0)
                by_chance = [
                    torch.stack(self._tried(batch.inputs, moved, others)).double()
                    for moved in self._randomly(batch.inputs, length, randomness)
                ]
                changed = [own.double() for own in changed]
                changed += torch.stack(by_chance).mean(0)
            changed = [own * result.found for own in changed]
        kinds = [ATTACK, RANDOM] if self.random else [ATTACK]
        scales = torch.tensor(self.scales, dtype=torch.float64).repeat_interleave(len(batch.inputs))
        status = [Status(code).name.lower() for code in result.status.tolist()]
        rows = len(others) * len(scales)
        return Table(
            {
                "sample": batch.indices.repeat(len(changed)),
                "to": [name for name in others for _ in scales] * len(kinds),
                "scale": scales.repeat(len(others) * len(kinds)),
                **(
                    {"perturbation": [kind for kind in kinds for _ in range(rows)]}
                    if self.random
                    else {}
                ),
                "found": result.found.repeat(len(changed)),
                "fooled": torch.cat(changed),
                "distance": result.distance.repeat(len(changed)),
                "status": status * len(changed),
            }
        )

    def _tried(
        self, images: Tensor, ends: Tensor, others: Mapping[str, Classifier]
    ) -> list[Tensor]:
        """Return which lengthened images fool each other network, `(B,)` at each scale."""
        box = keeps_box(self.attack)
        tried = [scale_perturbation(images, ends, scale, box) for scale in self.scales]
        return [fooled(other, images, own) for other in others.values() for own in tried]

    def _randomly(self, images: Tensor, length: Tensor, randomness: Randomness) -> Iterator[Tensor]:
        """Yield images moved along random directions by `length` `(B,)`, in the attack's norm."""
        norm = norm_by_name(norm_of(self.attack))
        for draw in range(self.random):
            noise = randomness.stream("transfer", draw).normal(images.shape[1:])
            ways = norm.steepest(noise.double())
            moved = images + length.to(ways).view(-1, *[1] * (images.dim() - 1)) * ways
            yield moved.to(images)

    def summarise(self, table: Table) -> Summary:
        rates = self._rates(table)
        by_chance = self._rates(table, RANDOM) if self.random else {}
        return Summary(
            scalars={
                "found": table.numbers("found").double().mean().item(),
                "median_distance": median(table.numbers("distance")),
                **{f"transfer_rate/{name}": own[0].item() for name, own in rates.items()},
            },
            curves={
                f"{kind}_rate_over_scale/{name}": Curve(self.scales, own.tolist())
                for kind, held in (("transfer", rates), ("random", by_chance))
                for name, own in held.items()
            },
            meanings=self._meanings(len(table.numbers("sample").unique())),
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        rates = {model: self._rates(table) for model, table in tables.items()}
        pairs = [
            (model, name)
            for model in tables
            for name in rates[model]
            if name != model and rates[model][name].isfinite().all()
        ]
        lines = [self._line(f"{one} → {two}", tables[one], two) for one, two in pairs]
        if self.random:
            x = torch.tensor(self.scales)
            chance = {model: self._rates(table, RANDOM) for model, table in tables.items()}
            lines += [
                Series(f"{one} → {two}, random", x, 100 * chance[one][two], thin=True)
                for one, two in pairs
            ]
        return [
            self._maps(rates),
            *([self._over_scale(lines)] if lines and len(self.scales) > 1 else []),
        ]

    def _meanings(self, count: int) -> dict[str, str]:
        box = "in the box [0, 1]" if keeps_box(self.attack) else "without a box"
        by = f"{kind_and_norm(self.attack)}, from the predicted label, {box}"
        rate = (
            f"share of the images found on this network by {by}, of {count} samples, that "
            "change the other one's own prediction"
        )
        return {
            "found": f"share of {count} samples for which {by}, found an image",
            "median_distance": (
                f"median {norm_of(self.attack)} norm (pixels in [0, 1]) over {count} samples of "
                f"what {by}, found, before it is lengthened: where that attack ends, not the "
                "minimal distance; inf where it found none"
            ),
            "transfer_rate": f"{rate}, at scale {self.scales[0]:g}",
            "transfer_rate_over_scale": f"{rate}, by the factor that lengthens the perturbation",
            "random_rate_over_scale": (
                f"the same for {self.random} random perturbations of each sample, as long as the "
                "one found on it"
            ),
        }

    def _note(self) -> str:
        box = "in the box [0, 1]" if keeps_box(self.attack) else "no box"
        return f"{RATE} By {kind_and_norm(self.attack)}, from the predicted label, {box}."

    def _rates(self, table: Table, kind: str = ATTACK) -> dict[str, Tensor]:
        """Return the share of the images found that fool the other network, by its name.

        There is one share at each scale; NaN where none was found. In place of those images random
        ones stand where `kind` says so.
        """
        rates, scales = {}, table.numbers("scale")
        found, changed = table.numbers("found"), table.numbers("fooled")
        for name in dict.fromkeys(table.words("to")):
            own = self._rows(table, name, kind)
            rows = [own & (scales == scale) for scale in self.scales]
            was, hits = found[rows[0]], torch.stack([changed[some] for some in rows])
            rates[name] = (
                transfer_rates(was[None], hits.bool()[None])[0]
                if kind == ATTACK
                else hits[:, was].double().mean(1)
            )
        return rates

    def _rows(self, table: Table, name: str, kind: str) -> Tensor:
        """Return which rows are of the network `name` and of this kind of perturbation."""
        own = table.rows_with("to", name)
        return own & table.rows_with("perturbation", kind) if self.random else own

    def _maps(self, rates: Mapping[str, Mapping[str, Tensor]]) -> Chart:
        """A table for each scale, the first network on top."""
        models, others = list(rates), list(next(iter(rates.values())))
        shares = torch.stack(
            [torch.stack([rates[model][name] for name in others]) for model in models]
        ).flip(0)
        return Maps(
            name="transfer",
            title="Transfer of adversarial images between networks",
            x_label="network tested",
            y_label="network attacked",
            panels=[
                (100 * shares[:, :, place], f"perturbations × {scale:g}")
                for place, scale in enumerate(self.scales)
            ],
            x_limits=(0, len(others)),
            y_limits=(0, len(models)),
            x_names=others,
            y_names=models[::-1],
            value_label="transfer rate (%)",
            value_limits=(0, 100),
            note=self._note(),
        )

    def _line(self, label: str, table: Table, name: str) -> Series:
        """Return the rate at each scale of the images found, shown to the network `name`.

        It stands in its interval.
        """
        chosen = self._rows(table, name, ATTACK) & table.numbers("found")
        scales, changed = table.numbers("scale"), table.numbers("fooled").bool()
        hits = torch.stack([changed[chosen & (scales == scale)] for scale in self.scales], 1)
        return shares(label, torch.tensor(self.scales), hits)

    def _over_scale(self, series: Sequence[Series]) -> Chart:
        return Lines(
            name="over_scale",
            title="Transfer of lengthened perturbations",
            x_label="factor by which the perturbation is lengthened",
            y_label="transfer rate (%)",
            series=series,
            x_ticks=self.scales,
            y_limits=(0, 102),
            note=f"{self._note()} {BY_CHANCE if self.random else ''}Band: 95 % over samples "
            "(Wilson).",
        )
