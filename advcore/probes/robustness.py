"""Robust accuracy over eps and minimal distances, by any number of attacks (article, eqs.

12 and 13).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor

from advcore.attacks import APGD, APGDT, PGD, Attack, DeepFool, MinimalNorm, Status
from advcore.attacks.attack import attack_name, has_budget, norm_of
from advcore.box import needs_box
from advcore.classifier import Classifier
from advcore.masking import ball_signs, gradient_signs
from advcore.norms import NORMS, NormName
from advcore.probes.charts import Chart, Lines, Series, shares
from advcore.probes.masking import summarise_signs
from advcore.probes.probe import Batch, Curve, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.robust_accuracy import Bounds, attack_over, check_grid, robust_accuracy, union

QUALITIES: dict[str, Callable[[NormName], tuple[Attack, ...]]] = {
    "fast": lambda norm: (DeepFool(norm=norm), PGD(norm=norm)),
    "tight": lambda norm: (MinimalNorm(norm=norm), APGD(norm=norm), APGDT(norm=norm)),
}
"""The attacks of a quality, in one norm."""

WORST = "worst"
"""The name of all attacks together."""


@dataclass(frozen=True)
class Robustness:
    """Attack every sample with several attacks, see `advcore.robust_accuracy`; one row per sample x
    attack.

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

    With `masking`, signs of gradient masking too (see `advcore.masking`), which become warnings:
    `zero_gradient`, `zero_margin_gradient`, `saturated`, `variation`, `regained` of the sample, and
    `worse_than_noise`, whether random noise broke it at a smaller eps than the attack did. The
    balls are those of the grid's smallest, middle and largest eps: at most 71 forward and 33
    backward passes a sample, however many attacks there are. In l0 and pixels, which have no PGD,
    and where no attack keeps to the box, as PGD does, the first four alone.

    Attributes:
        eps: the grid, in pixel units.
        attacks: all in one norm; those with a budget take their eps from the grid.
        quality: which attacks run where `attacks` names none: `fast`, the default, is `DeepFool`
            and `PGD`; `tight` is `MinimalNorm`, `APGD` on the cross-entropy and `APGDT`.
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
            raise ValueError(
                "the attacks of one robustness probe must share a norm; got "
                f"{', '.join(norms)}: use one probe a norm"
            )
        for attack in self.attacks:
            if has_budget(attack) and attack.eps is not None:
                raise ValueError(
                    f"{attack_name(attack)} takes its eps from the probe's grid; leave the "
                    "attack's own eps out"
                )

    @property
    def chosen(self) -> tuple[Attack, ...]:
        """The attacks that run."""
        return self.attacks or QUALITIES[self.quality or "fast"](self.norm or "l2")

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        """Any images and at least two classes will do."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        history = self._bounds(classifier, batch, randomness)
        names = self._names()
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
                "attack": [name for name in names for _ in range(len(batch.images))],
                "status": [Status(code).name.lower() for code in status.tolist()],
            }
        )
        if self.masking:
            table |= self._signs(classifier, batch, randomness, broken_at)
        return table

    def summarise(self, table: Table) -> Summary:
        grid = [0.0, *self.eps]
        rows = self._rows(table)
        worst = _worst(rows)
        curves = {
            f"robust_accuracy/{WORST}": Curve(grid, robust_accuracy(worst["broken_at"], grid))
        }
        scalars = {
            "accuracy": curves[f"robust_accuracy/{WORST}"].y[0],
            f"found/{WORST}": _found(worst["distance"]),
        }
        known: Tensor | None = None
        for place, ((name, own), attack) in enumerate(zip(rows.items(), self.chosen, strict=True)):
            if (
                place == 0 or not self.in_turn or not has_budget(attack)
            ):  # else it did not look at all that it may break
                curves[f"robust_accuracy/{name}"] = Curve(
                    grid, robust_accuracy(own.numbers("own_broken_at"), grid)
                )
                scalars[f"found/{name}"] = _found(own.numbers("own_distance"))
            if self.in_turn and known is not None:
                scalars[f"added/{name}"] = (own.numbers("broken_at") < known).double().mean().item()
            if not has_budget(attack):
                scalars[f"mean_distance/{name}"] = own.numbers("own_distance").mean().item()
                scalars[f"median_distance/{name}"] = median(own.numbers("own_distance"))
            known = own.numbers("broken_at")
        meanings = self._meanings(len(worst["broken_at"]))
        if "saturated" not in table:
            return Summary(scalars, curves, meanings=meanings)
        signs = summarise_signs(table.take(~table.rows_with("attack", WORST)))
        of_signs = {f"masking/{name}": sentence for name, sentence in signs.meanings.items()}
        scalars |= {f"masking/{name}": share for name, share in signs.scalars.items()}
        return Summary(scalars, curves, signs.warnings, meanings | of_signs)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        series, same = [], []
        for place, (model, table) in enumerate(tables.items()):
            rows = self._rows(table)
            curves, broken_at = self.summarise(table).curves, _worst(rows)["broken_at"]
            worst = curves[f"robust_accuracy/{WORST}"]
            standing = broken_at[:, None] > torch.tensor(worst.x, dtype=broken_at.dtype)
            series.append(
                replace(shares(model, torch.tensor(worst.x), standing), shade=place, mark=place)
            )
            for mark, name in enumerate(rows):
                curve = curves.get(f"robust_accuracy/{name}")
                if curve is None or len(rows) == 1:
                    continue
                if list(curve.y) == list(worst.y):
                    same.append(f"{name} on {model}")
                else:
                    line = torch.tensor(curve.x), 100 * torch.tensor(curve.y)
                    series.append(
                        Series(f"{model}, {name} alone", *line, shade=place, mark=mark, thin=True)
                    )
        norm = norm_of(self.chosen[0])
        note = (
            "Share of samples classified right that no perturbation found within ε changes: an "
            "upper bound (eq. 12)"
        )
        note += (
            f"; the worst of {', '.join(self._names())}."
            if len(self.chosen) > 1
            else f", by {self._names()[0]}."
        )
        note += " Bands: 95 % (Wilson) over the samples."
        if same:
            note += f" Not drawn, because its curve is the worst one: {', '.join(same)}."
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

    def _meanings(self, count: int) -> dict[str, str]:
        """A sentence for each name, of `count` samples."""
        norm, several = norm_of(self.chosen[0]), len(self.chosen) > 1
        right = (
            "share of samples classified right (true label) that no perturbation found within "
            "eps changes"
        )
        by = f"all attacks together ({', '.join(self._names())})" if several else self._names()[0]
        return {
            "accuracy": (
                f"share of the {count} samples whose most likely class is the true label, "
                "before any attack"
            ),
            "robust_accuracy": (
                f"{right}, by this attack alone, over eps ({norm}, pixels in [0, 1]); an "
                "upper bound"
            ),
            f"robust_accuracy/{WORST}": (
                f"{right}, by {by}, over eps ({norm}, pixels in [0, 1]); an upper bound"
            ),
            "found": (
                "share of all samples for which this attack alone finds a perturbation that "
                "changes the predicted label (budget attacks: within the largest eps, and only "
                "where the prediction is right)"
            ),
            f"found/{WORST}": (
                f"share of all samples for which {by} found a perturbation that changes the "
                "predicted label"
            ),
            "added": (
                "share of all samples that this attack breaks at a smaller eps of the grid "
                "than every attack before it"
            ),
            "mean_distance": (
                f"mean {norm} norm of the perturbation that this attack alone finds, from the "
                f"predicted label, in the box [0, 1], over all {count} samples; inf where one "
                "is not found"
            ),
            "median_distance": f"the median of the same {norm} norms",
            "masking": (
                "share of the samples classified right that show this sign of gradient masking"
            ),
        }

    def _bounds(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> list[Bounds]:
        """One for each attack."""
        groups = [self.chosen] if self.in_turn else [(attack,) for attack in self.chosen]
        return [
            bounds
            for group in groups
            for bounds in attack_over(
                group, classifier, batch.images, batch.labels, self.eps, randomness
            )
        ]

    def _signs(
        self, classifier: Classifier, batch: Batch, randomness: Randomness, broken_at: Tensor
    ) -> dict[str, Tensor]:
        """Of gradient masking, one row per sample x attack, as in `broken_at`; all but
        `worse_than_noise` are the sample's own.
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
                classifier, batch.images, batch.labels, cast(NormName, norm), eps, randomness
            )
            columns["regained"] = ball.regained
            noise_at = torch.where(ball.by_noise, broken_at.new_tensor(eps), torch.inf).amin(1)
        times = len(broken_at) // len(batch.images)
        columns = {name: column.repeat(times) for name, column in columns.items()}
        if noise_at is not None:
            columns["worse_than_noise"] = noise_at.repeat(times) < broken_at
        return columns

    def _rows(self, table: Table) -> dict[str, Table]:
        """Those of each attack, by its name."""
        return {name: table.take(table.rows_with("attack", name)) for name in self._names()}

    def _names(self) -> list[str]:
        """A name for each attack; equal ones are numbered."""
        plain = [attack_name(attack) for attack in self.chosen]
        return [
            name if plain.count(name) == 1 else f"{name}-{plain[: i + 1].count(name)}"
            for i, name in enumerate(plain)
        ]


def _worst(rows: Mapping[str, Table]) -> dict[str, Tensor]:
    """What all attacks together found."""
    return {
        name: torch.stack([own.numbers(name) for own in rows.values()]).amin(0)
        for name in ("broken_at", "distance")
    }


def _found(distance: Tensor) -> float:
    return torch.isfinite(distance).double().mean().item()
