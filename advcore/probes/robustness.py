"""Robust accuracy over eps and minimal distances, by any number of attacks.

Article: eqs. 12 and 13.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from advcore.attacks import APGD, APGDT, PGD, Attack, DeepFool, MinimalNorm, Status, kind_and_norm
from advcore.attacks.attack import has_budget, norm_of
from advcore.box import needs_box
from advcore.classifier import Classifier
from advcore.gradient_masking import ball_signs, gradient_signs
from advcore.norms import NORMS, NormName
from advcore.probes.attack_labels import told_apart
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.robustness_summary import (
    WORST,
    robustness_charts,
    summarise_robustness,
)
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.robust_accuracy import Bounds, attack_over, check_grid, union

QUALITIES: dict[str, Callable[[NormName], tuple[Attack, ...]]] = {
    "fast": lambda norm: (DeepFool(norm=norm), PGD(norm=norm)),
    "tight": lambda norm: (MinimalNorm(norm=norm), APGD(norm=norm), APGDT(norm=norm)),
}
"""The attacks of a quality, in one norm."""


@dataclass(frozen=True)
class Robustness:
    """Distances and robustness of every sample under several attacks.

    See `advcore.robust_accuracy`. There is one row per sample x attack.

    A minimal-norm attack runs once and gives the whole curve. A budget attack looks only where the
    sample may still break at a smaller eps of the grid than is known from the attacks before it: it
    has no curve of its own then, but a number for what it added. With `in_turn` false every attack
    starts from nothing and has its own curve; a budget attack then runs at each eps of the grid,
    smallest first, on what the smaller ones left standing.

    Columns: `sample`, `attack`, `label`, `prediction`; `status` (see `advcore.attacks.Status`; a
    wrong prediction is `already_wrong`); `broken_at`, the smallest eps of the grid at which the
    sample is not classified right (0 when it never is, inf when it holds at all); `distance`, the
    norm of the shortest perturbation known, from the *predicted* label (eq. 13), inf where none is
    known (budget attacks leave wrong predictions alone); `queries`, `gradients`, what this attack
    spent. In turn the three hold what is known after this attack *and those before it*.
    `own_broken_at` and `own_distance` are of this attack alone, NaN where it did not look. Where
    there are several attacks, further rows, with the attack `worst`, hold what all of them found
    together, and what they spent.

    With `masking`, signs of gradient masking too (see `advcore.gradient_masking`), which become
    warnings: `zero_gradient`, `zero_margin_gradient`, `saturated`, `variation`, `regained` of the
    sample, and `worse_than_noise`, whether random noise broke it at a smaller eps than the attack
    did. The balls are those of the grid's smallest, middle and largest eps: at most 71 forward and
    33 backward passes a sample, however many attacks there are. In l0 and pixels, which have no
    PGD, and where no attack keeps to the box, as PGD does, the first four alone.

    Attributes:
        eps: grid of radii, in pixel units.
        attacks: attacks, all in one norm; those with a budget take their eps from the grid.
        quality: choice of attacks if `attacks` names none: `fast`, the default, is `DeepFool` and
            `PGD`; `tight` is `MinimalNorm`, `APGD` on the cross-entropy and `APGDT`.
        norm: norm of those attacks; l2 by default.
        in_turn: let each attack start from what those before it found.
        masking: look for gradient masking.
    """

    eps: tuple[float, ...]
    attacks: tuple[Attack, ...] = ()
    quality: Literal["fast", "tight"] | None = None
    norm: NormName | None = None
    in_turn: bool = True
    masking: bool = True

    def __post_init__(self) -> None:
        check_grid(self.eps)
        if self.quality is not None and self.quality not in QUALITIES:
            raise ValueError(f"quality must be one of {', '.join(QUALITIES)}; got {self.quality!r}")
        if self.attacks and (self.quality or self.norm):
            raise ValueError("quality and norm stand for attacks; give either them or attacks")
        norms = sorted({norm_of(attack) for attack in self.chosen})
        if len(norms) > 1:
            raise ValueError(
                "the attacks of one robustness probe must share a norm; got "
                f"{', '.join(norms)}: use one probe a norm"
            )
        names = told_apart(self.chosen)
        if len(set(names)) < len(names):
            raise ValueError(f"attacks must be different ones, each once; got {', '.join(names)}")
        for attack in self.attacks:
            if has_budget(attack) and attack.eps is not None:
                raise ValueError(
                    f"{kind_and_norm(attack)} takes its eps from the probe's grid; leave the "
                    "attack's own eps out"
                )

    @property
    def chosen(self) -> tuple[Attack, ...]:
        """The attacks that run."""
        return self.attacks or QUALITIES[self.quality or "fast"](self.norm or "l2")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def values(self) -> Mapping[str, Sequence[str | float]]:
        names = told_apart(self.chosen)
        return {"attack": names if len(names) == 1 else [*names, WORST]}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        history = self._bounds(classifier, batch, randomness)
        names = told_apart(self.chosen)
        if len(history) > 1:
            history, names = [*history, union(history)], [*names, WORST]
        broken_at = torch.cat([bounds.broken_at for bounds in history])
        status = torch.cat([bounds.status for bounds in history])
        table = Table(
            {
                "sample": batch.indices.repeat(len(names)),
                "label": batch.labels.repeat(len(names)),
                "prediction": torch.cat([bounds.prediction for bounds in history]),
                "broken_at": broken_at,
                "distance": torch.cat([bounds.distance for bounds in history]),
                "own_broken_at": torch.cat([bounds.own_broken_at for bounds in history]),
                "own_distance": torch.cat([bounds.own_distance for bounds in history]),
                "queries": torch.cat([bounds.queries for bounds in history]),
                "gradients": torch.cat([bounds.gradients for bounds in history]),
                "attack": [name for name in names for _ in range(len(batch.inputs))],
                "status": [Status(code).name.lower() for code in status.tolist()],
            }
        )
        if self.masking:
            table |= self._signs(classifier, batch, randomness, broken_at)
        return table

    def _bounds(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> list[Bounds]:
        """One for each attack."""
        groups = [self.chosen] if self.in_turn else [(attack,) for attack in self.chosen]
        return [
            bounds
            for group in groups
            for bounds in attack_over(
                group, classifier, batch.inputs, batch.labels, self.eps, randomness
            )
        ]

    def _signs(
        self, classifier: Classifier, batch: Batch, randomness: Randomness, broken_at: Tensor
    ) -> dict[str, Tensor]:
        """Return the signs of gradient masking, one row per sample x attack.

        The order is that of `broken_at`; all but `worse_than_noise` are the sample's own.
        """
        around, still = batch.around(classifier)
        signs = gradient_signs(around, still, batch.labels)
        columns = {
            "zero_gradient": signs.zero_gradient,
            "zero_margin_gradient": signs.zero_margin_gradient,
            "saturated": signs.saturated,
            "variation": signs.variation,
        }
        norm, noise_at = norm_of(self.chosen[0]), None
        if norm in NORMS and needs_box(self):
            eps = sorted({self.eps[0], self.eps[len(self.eps) // 2], self.eps[-1]})
            ball = ball_signs(
                classifier, batch.inputs, batch.labels, cast(NormName, norm), eps, randomness
            )
            columns["regained"] = ball.regained
            noise_at = torch.where(ball.by_noise, broken_at.new_tensor(eps), torch.inf).amin(1)
        times = len(broken_at) // len(batch.inputs)
        columns = {name: column.repeat(times) for name, column in columns.items()}
        if noise_at is not None:
            columns["worse_than_noise"] = noise_at.repeat(times) < broken_at
        return columns

    def summarise(self, table: Table) -> Summary:
        return summarise_robustness(table, self.eps, self.chosen, self.in_turn)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return robustness_charts(tables, self.eps, self.chosen, self.in_turn)
