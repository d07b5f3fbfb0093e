"""Robust accuracy over eps (article, eq. 12) and minimal distances (eq. 13), by any number of attacks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from advcore.attacks import PGD, Attack, DeepFool, Status
from advcore.attacks.attack import attack_name, has_budget, norm_of, with_budget
from advcore.classifier import Classifier, predict
from advcore.criteria import Untargeted
from advcore.masking import ball_signs, gradient_signs
from advcore.norms import NORMS, NormName
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.grid import check_grid
from advcore.probes.masking import summarise_signs
from advcore.probes.probe import Batch, Columns, Curve, Summary
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Robustness:
    """Attack every sample with every attack; one row per sample x attack.

    A minimal-norm attack runs once and gives the whole curve. A budget attack runs at each eps of the grid, smallest first, and
    only on what the smaller ones left standing.

    Columns: `sample`, `attack`, `label`, `prediction`; `status` (see `advcore.attacks.Status`; a wrong prediction is
    `already_wrong`); `broken_at`, the smallest eps of the grid at which the sample is not classified right (0 when it never is,
    inf when it holds at all); `distance`, the norm of the perturbation found, from the *predicted* label for a minimal-norm
    attack (eq. 13), 0 for a budget attack on a wrong prediction, inf where none was found; `queries`, `gradients`.

    With `masking`, signs of gradient masking too (see `advcore.masking`), which become warnings: `zero_gradient`,
    `zero_margin_gradient`, `saturated`, `variation`, `regained` of the sample, and `worse_than_noise`, whether random noise broke
    it at a smaller eps than the attack did. The balls are those of the grid's smallest, middle and largest eps: at most 71 forward
    and 33 backward passes a sample, however many attacks there are. In l0 and pixels, which have no PGD, the first four alone.

    Attributes:
        eps: the grid, in pixel units.
        attacks: all in one norm; those with a budget take their eps from the grid.
        masking: look for gradient masking.
    """

    eps: tuple[float, ...]
    attacks: tuple[Attack, ...] = field(default_factory=lambda: (DeepFool(norm="l2"), PGD(norm="l2")))
    masking: bool = True

    def __post_init__(self) -> None:
        check_grid(self.eps)
        if not self.attacks:
            raise ValueError("attacks must name at least one attack; got none")
        norms = sorted({norm_of(attack) for attack in self.attacks})
        if len(norms) > 1:
            raise ValueError(f"the attacks of one robustness probe must share a norm; got {', '.join(norms)}: use one probe a norm")
        for attack in self.attacks:
            if getattr(attack, "eps", None) is not None:
                raise ValueError(f"{attack_name(attack)} takes its eps from the probe's grid; leave the attack's own eps out")

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        """Any images and at least two classes will do."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        prediction = predict(classifier, batch.images)
        parts = [self._attack(attack, classifier, batch, prediction, randomness) for attack in self.attacks]
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
            curves[f"robust_accuracy/{name}"] = Curve(grid, _robust_accuracy(broken_at, grid))
            scalars[f"found/{name}"] = torch.isfinite(distance).double().mean().item()
            if not has_budget(self._attack_named(name)):
                scalars[f"mean_distance/{name}"] = distance.mean().item()
                scalars[f"median_distance/{name}"] = distance.quantile(0.5, interpolation="nearest").item()
        worst = torch.stack([broken_at for broken_at, _ in by_attack.values()]).amin(0)
        curves["robust_accuracy/worst"] = Curve(grid, _robust_accuracy(worst, grid))
        scalars["accuracy"] = curves["robust_accuracy/worst"].y[0]
        if "saturated" not in table:
            return Summary(scalars, curves)
        signs = summarise_signs(table)
        return Summary(scalars | {f"masking/{name}": share for name, share in signs.scalars.items()}, curves, signs.warnings)

    def charts(self, tables: Mapping[str, Columns]) -> list[Chart]:
        series = []
        for model, table in tables.items():
            curves = self.summarise(table).curves
            names = self._names() if len(self.attacks) > 1 else ["worst"]
            for name in names:
                curve = curves[f"robust_accuracy/{name}"]
                label = model if name == "worst" else f"{model}, {name}"
                series.append(Series(label, torch.tensor(curve.x), 100 * torch.tensor(curve.y)))
        norm = norm_of(self.attacks[0])
        return [
            Lines(
                name="robust_accuracy",
                title="Robust accuracy",
                x_label=f"{norm} radius ε (pixels in [0, 1])",
                y_label="accuracy under attack (%)",
                series=series,
                y_limits=(0, 102),
                note="Share of samples classified right that no perturbation found within ε changes. An upper bound (eq. 12).",
            )
        ]

    def _attack(
        self, attack: Attack, classifier: Classifier, batch: Batch, prediction: Tensor, randomness: Randomness
    ) -> dict[str, Tensor]:
        """One row per sample; `status` still in numbers."""
        wrong = prediction != batch.labels
        run = self._climb_eps if has_budget(attack) else self._minimal
        columns = run(attack, classifier, batch, prediction, randomness)
        columns["status"] = columns["status"].masked_fill(wrong, Status.ALREADY_WRONG)
        columns["broken_at"] = columns["broken_at"].masked_fill(wrong, 0)
        return {"sample": batch.indices, "label": batch.labels, "prediction": prediction, **columns}

    def _minimal(
        self, attack: Attack, classifier: Classifier, batch: Batch, prediction: Tensor, randomness: Randomness
    ) -> dict[str, Tensor]:
        result = attack(classifier, batch.images, Untargeted(prediction), randomness)
        grid = torch.tensor([*self.eps, torch.inf], dtype=result.distance.dtype, device=result.distance.device)
        broken_at = grid[torch.searchsorted(grid, result.distance)]
        return {
            "broken_at": broken_at,
            "distance": result.distance,
            "status": result.status,
            "queries": result.queries,
            "gradients": result.gradients,
        }

    def _climb_eps(
        self, attack: Attack, classifier: Classifier, batch: Batch, prediction: Tensor, randomness: Randomness
    ) -> dict[str, Tensor]:
        images = batch.images
        broken_at = images.new_full((len(images),), torch.inf)
        distance, status = broken_at.clone(), torch.full_like(prediction, Status.ROBUST, dtype=torch.int8)
        distance[prediction != batch.labels] = 0
        queries, gradients = torch.zeros_like(prediction), torch.zeros_like(prediction)
        standing = (prediction == batch.labels).nonzero()[:, 0]
        for eps in self.eps:
            if not len(standing):
                break
            result = with_budget(attack, eps)(
                classifier, images[standing], Untargeted(batch.labels[standing]), randomness.take(standing)
            )
            queries[standing] += result.queries
            gradients[standing] += result.gradients
            broken = standing[result.found]
            broken_at[broken], status[broken] = eps, Status.BROKEN
            distance[broken] = result.distance[result.found]
            standing = standing[~result.found]
        return {"broken_at": broken_at, "distance": distance, "status": status, "queries": queries, "gradients": gradients}

    def _signs(self, classifier: Classifier, batch: Batch, randomness: Randomness, broken_at: Tensor) -> dict[str, Tensor]:
        """Of gradient masking, one row per sample x attack, as in `broken_at`; all but `worse_than_noise` are the sample's own."""
        signs = vars(gradient_signs(classifier, batch.images, batch.labels))
        columns = {name: signs[name] for name in ("zero_gradient", "zero_margin_gradient", "saturated", "variation")}
        norm, noise_at = norm_of(self.attacks[0]), None
        if norm in NORMS:
            eps = sorted({self.eps[0], self.eps[len(self.eps) // 2], self.eps[-1]})
            ball = ball_signs(classifier, batch.images, batch.labels, cast(NormName, norm), eps, randomness)
            columns["regained"] = ball.regained
            noise_at = torch.where(ball.by_noise, broken_at.new_tensor(eps), torch.inf).amin(1)
        columns = {name: column.repeat(len(self.attacks)) for name, column in columns.items()}
        if noise_at is not None:
            columns["worse_than_noise"] = noise_at.repeat(len(self.attacks)) < broken_at
        return columns

    def _names(self) -> list[str]:
        """A name for each attack; equal ones are numbered."""
        plain = [attack_name(attack) for attack in self.attacks]
        return [name if plain.count(name) == 1 else f"{name}-{plain[: i + 1].count(name)}" for i, name in enumerate(plain)]

    def _attack_named(self, name: str) -> Attack:
        return self.attacks[self._names().index(name)]


def _rows_of(table: Columns, name: str) -> tuple[Tensor, Tensor]:
    """`broken_at` and `distance` of one attack's rows."""
    chosen = torch.tensor([attack == name for attack in table["attack"]])
    return cast(Tensor, table["broken_at"])[chosen], cast(Tensor, table["distance"])[chosen]


def _robust_accuracy(broken_at: Tensor, grid: list[float]) -> list[float]:
    return [(broken_at > eps).double().mean().item() for eps in torch.tensor(grid, dtype=broken_at.dtype)]
