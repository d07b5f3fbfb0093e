"""Robust accuracy over eps and minimal distances, by any number of attacks (article, eqs. 12 and 13)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from advcore.attacks import APGD, APGDT, PGD, Attack, DeepFool, MinimalNorm, Status
from advcore.attacks.attack import attack_name, has_budget, norm_of
from advcore.box import needs_box
from advcore.classifier import Classifier
from advcore.masking import ball_signs, gradient_signs
from advcore.norms import NORMS, NormName
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.masking import summarise_signs
from advcore.probes.probe import Batch, Columns, Curve, Summary
from advcore.randomness import Randomness
from advcore.robust_accuracy import Bounds, attack_over, check_grid, robust_accuracy

QUALITIES: dict[str, Callable[[NormName], tuple[Attack, ...]]] = {
    "fast": lambda norm: (DeepFool(norm=norm), PGD(norm=norm)),
    "tight": lambda norm: (MinimalNorm(norm=norm), APGD(norm=norm), APGDT(norm=norm)),
}
"""The attacks of a quality, in one norm."""


@dataclass(frozen=True)
class Robustness:
    """Attack every sample with several attacks, see `advcore.robust_accuracy`; one row per sample x attack.

    A minimal-norm attack runs once and gives the whole curve. A budget attack looks only where the sample may still break at a
    smaller eps of the grid than is known from the attacks before it: its rows, and its curve, hold what is known after it. With
    `in_turn` false every attack starts from nothing, so that they can be compared; a budget attack then runs at each eps of the
    grid, smallest first, on what the smaller ones left standing.

    Columns: `sample`, `attack`, `label`, `prediction`; `status` (see `advcore.attacks.Status`; a wrong prediction is
    `already_wrong`); `broken_at`, the smallest eps of the grid at which the sample is not classified right (0 when it never is,
    inf when it holds at all); `distance`, the norm of the shortest perturbation known, from the *predicted* label (eq. 13), inf
    where none is known (budget attacks leave wrong predictions alone); `queries`, `gradients`, what this attack spent.

    With `masking`, signs of gradient masking too (see `advcore.masking`), which become warnings: `zero_gradient`,
    `zero_margin_gradient`, `saturated`, `variation`, `regained` of the sample, and `worse_than_noise`, whether random noise broke
    it at a smaller eps than the attack did. The balls are those of the grid's smallest, middle and largest eps: at most 71 forward
    and 33 backward passes a sample, however many attacks there are. In l0 and pixels, which have no PGD, and
    where no attack keeps to the box, as PGD does, the first four alone.

    Attributes:
        eps: the grid, in pixel units.
        attacks: all in one norm; those with a budget take their eps from the grid.
        quality: which attacks run where `attacks` names none: `fast`, the default, is `DeepFool` and `PGD`; `tight` is
            `MinimalNorm`, `APGD` on the cross-entropy and `APGDT`.
        norm: theirs; l2 by default.
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
            raise ValueError(f"the attacks of one robustness probe must share a norm; got {', '.join(norms)}: use one probe a norm")
        for attack in self.attacks:
            if getattr(attack, "eps", None) is not None:
                raise ValueError(f"{attack_name(attack)} takes its eps from the probe's grid; leave the attack's own eps out")

    @property
    def chosen(self) -> tuple[Attack, ...]:
        """The attacks that run."""
        return self.attacks or QUALITIES[self.quality or "fast"](self.norm or "l2")

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        """Any images and at least two classes will do."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        parts = [
            {
                "sample": batch.indices,
                "label": batch.labels,
                "prediction": bounds.prediction,
                "status": bounds.status,
                "broken_at": bounds.broken_at,
                "distance": bounds.distance,
                "queries": bounds.queries,
                "gradients": bounds.gradients,
            }
            for bounds in self._bounds(classifier, batch, randomness)
        ]
        columns: dict[str, Tensor | list[str]] = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        columns["attack"] = [name for name in self._names() for _ in range(len(batch.images))]
        columns["status"] = [Status(code).name.lower() for code in cast(Tensor, columns["status"]).tolist()]
        if self.masking:
            columns |= self._signs(classifier, batch, randomness, cast(Tensor, columns["broken_at"]))
        return columns

    def summarise(self, table: Columns) -> Summary:
        grid = [0.0, *self.eps]
        scalars, curves = {}, {}
        by_attack = {name: _rows_of(table, name) for name in self._names()}
        for name, (broken_at, distance) in by_attack.items():
            curves[f"robust_accuracy/{name}"] = Curve(grid, robust_accuracy(broken_at, grid))
            scalars[f"found/{name}"] = torch.isfinite(distance).double().mean().item()
            if not has_budget(self._attack_named(name)):
                scalars[f"mean_distance/{name}"] = distance.mean().item()
                scalars[f"median_distance/{name}"] = distance.quantile(0.5, interpolation="nearest").item()
        worst = torch.stack([broken_at for broken_at, _ in by_attack.values()]).amin(0)
        curves["robust_accuracy/worst"] = Curve(grid, robust_accuracy(worst, grid))
        scalars["accuracy"] = curves["robust_accuracy/worst"].y[0]
        if "saturated" not in table:
            return Summary(scalars, curves)
        signs = summarise_signs(table)
        return Summary(scalars | {f"masking/{name}": share for name, share in signs.scalars.items()}, curves, signs.warnings)

    def charts(self, tables: Mapping[str, Columns]) -> list[Chart]:
        series = []
        for model, table in tables.items():
            curves = self.summarise(table).curves
            names = self._names() if len(self.chosen) > 1 else ["worst"]
            for name in names:
                curve = curves[f"robust_accuracy/{name}"]
                label = model if name == "worst" else f"{model}, {name}"
                series.append(Series(label, torch.tensor(curve.x), 100 * torch.tensor(curve.y)))
        norm = norm_of(self.chosen[0])
        note = "Share of samples classified right that no perturbation found within ε changes. An upper bound (eq. 12)."
        if self.in_turn and len(self.chosen) > 1:
            note += " Each attack's curve holds what those before it found, too."
        return [
            Lines(
                name="robust_accuracy",
                title="Robust accuracy",
                x_label=f"{norm} radius ε (pixels in [0, 1])",
                y_label="accuracy under attack (%)",
                series=series,
                y_limits=(0, 102),
                note=note,
            )
        ]

    def _bounds(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> list[Bounds]:
        """One for each attack."""
        groups = [self.chosen] if self.in_turn else [(attack,) for attack in self.chosen]
        return [
            bounds
            for group in groups
            for bounds in attack_over(group, classifier, batch.images, batch.labels, self.eps, randomness)
        ]

    def _signs(self, classifier: Classifier, batch: Batch, randomness: Randomness, broken_at: Tensor) -> dict[str, Tensor]:
        """Of gradient masking, one row per sample x attack, as in `broken_at`; all but `worse_than_noise` are the sample's own."""
        around, still = batch.around(classifier)
        signs = vars(gradient_signs(around, still, batch.labels))
        columns = {name: signs[name] for name in ("zero_gradient", "zero_margin_gradient", "saturated", "variation")}
        norm, noise_at = norm_of(self.chosen[0]), None
        if norm in NORMS and needs_box(self):
            eps = sorted({self.eps[0], self.eps[len(self.eps) // 2], self.eps[-1]})
            ball = ball_signs(classifier, batch.images, batch.labels, cast(NormName, norm), eps, randomness)
            columns["regained"] = ball.regained
            noise_at = torch.where(ball.by_noise, broken_at.new_tensor(eps), torch.inf).amin(1)
        columns = {name: column.repeat(len(self.chosen)) for name, column in columns.items()}
        if noise_at is not None:
            columns["worse_than_noise"] = noise_at.repeat(len(self.chosen)) < broken_at
        return columns

    def _names(self) -> list[str]:
        """A name for each attack; equal ones are numbered."""
        plain = [attack_name(attack) for attack in self.chosen]
        return [name if plain.count(name) == 1 else f"{name}-{plain[: i + 1].count(name)}" for i, name in enumerate(plain)]

    def _attack_named(self, name: str) -> Attack:
        return self.chosen[self._names().index(name)]


def _rows_of(table: Columns, name: str) -> tuple[Tensor, Tensor]:
    """`broken_at` and `distance` of one attack's rows."""
    chosen = torch.tensor([attack == name for attack in table["attack"]])
    return cast(Tensor, table["broken_at"])[chosen], cast(Tensor, table["distance"])[chosen]
