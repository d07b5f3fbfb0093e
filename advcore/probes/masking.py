"""Signs of gradient masking: how many samples show each, and a warning where they are many."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import PGD, Attack
from advcore.classifier import Classifier
from advcore.counts import counted
from advcore.gradient_masking import DRAWS, STEPS, ball_signs, gradient_signs
from advcore.norms import NormName
from advcore.probes.charts import Chart, Lines, Series, shares
from advcore.probes.masking_signs import summarise_signs
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.robust_accuracy import check_grid


@dataclass(frozen=True)
class Masking:
    """Look for signs of gradient masking (see `advcore.gradient_masking`); one row per sample.

    Columns: `sample`, `label`, `prediction`; `zero_gradient`, `zero_margin_gradient`, `saturated`,
    `variation` at the image; `broken`, `broken_by_noise` `(E,)`: whether a short PGD of
    cross-entropy, and the best of the draws of noise, find an adversarial image at each eps, both
    true where the prediction is wrong; `regained`, broken at a smaller eps and not at a larger;
    `worse_than_noise`, broken by noise and not by the PGD at the same eps.

    Cost: at most `5 + E (steps + 2 + draws)` forward and `3 + E steps` backward passes a sample.
    The PGD is weak on purpose: the accuracy under it is no robust accuracy, which the probe
    `robustness` measures.

    Attributes:
        eps: grid of radii, in pixel units; every radius is tried on every sample.
        norm: norm of the balls.
        steps: gradient steps of the PGD.
        draws: number of draws of the noise.
    """

    eps: tuple[float, ...]
    norm: NormName = "l2"
    steps: int = STEPS
    draws: int = DRAWS

    def __post_init__(self) -> None:
        check_grid(self.eps)
        norms.norm_by_name(self.norm)
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    @property
    def chosen(self) -> Attack:
        """The short attack, which keeps to the box."""
        return PGD(norm=self.norm, steps=self.steps)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        ball = ball_signs(
            classifier,
            batch.inputs,
            batch.labels,
            self.norm,
            self.eps,
            randomness,
            self.steps,
            self.draws,
        )
        signs = gradient_signs(classifier, batch.inputs, batch.labels)
        return Table(
            {
                "sample": batch.indices,
                "label": batch.labels,
                "prediction": signs.prediction,
                "zero_gradient": signs.zero_gradient,
                "zero_margin_gradient": signs.zero_margin_gradient,
                "saturated": signs.saturated,
                "variation": signs.variation,
                "broken": ball.by_attack,
                "broken_by_noise": ball.by_noise,
                "regained": ball.regained,
                "worse_than_noise": ball.worse_than_noise,
            }
        )

    def summarise(self, table: Table) -> Summary:
        signs = summarise_signs(table)
        grid, standing = (
            [0.0, *self.eps],
            [part.double().mean(0).tolist() for part in self._standing(table)],
        )
        curves = {
            name: Curve(grid, own)
            for name, own in zip(("accuracy/short_pgd", "accuracy/noise"), standing, strict=True)
        }
        meanings = {**self._meanings(len(table["sample"])), **signs.meanings}
        return Summary(
            {"accuracy": standing[0][0], **signs.scalars}, curves, signs.warnings, meanings
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        series: list[Series] = []
        for model, table in tables.items():
            place = len(series) // 2
            for name, standing in zip(("short PGD", "noise"), self._standing(table), strict=True):
                line = replace(
                    shares(f"{model}, {name}", torch.tensor([0.0, *self.eps]), standing),
                    shade=place,
                    mark=place,
                )
                series.append(
                    replace(line, thin=True, low=None, high=None) if name == "noise" else line
                )
        return [
            Lines(
                name="masking",
                title="Accuracy under a short attack and under noise",
                x_label=f"{self.norm} radius ε (pixels in [0, 1])",
                y_label="accuracy (%)",
                series=series,
                y_limits=(0, 102),
                note=f"Share of samples classified right (true label): after PGD of {self.steps} "
                "steps, and thin, after the worst "
                f"of {self.draws} draws of noise; band: 95 % over samples (Wilson). Gradients "
                "that lead to adversarial images make "
                "the attack's line fall, and stay below that of noise.",
            )
        ]

    def _standing(self, table: Table) -> tuple[Tensor, Tensor]:
        """Return whether each sample is classified right after the PGD and after noise.

        The shape is `(samples, 1 + E)`; the first column is without either.
        """
        right = (table.numbers("label") == table.numbers("prediction"))[:, None]
        attacked, noisy = (
            torch.cat([right, ~table.numbers(name)], 1) for name in ("broken", "broken_by_noise")
        )
        return attacked, noisy

    def _meanings(self, count: int) -> dict[str, str]:
        after = f"share of {counted(count, 'sample')} classified right (true label)"
        return {
            "accuracy": f"{after}, without an attack",
            "accuracy/short_pgd": (
                f"{after} after PGD of {self.steps} steps on cross-entropy, over eps "
                f"({self.norm}, pixels in [0, 1], in the box); it is weak, and no robust "
                "accuracy"
            ),
            "accuracy/noise": (
                f"{after} after the worst of {self.draws} draws of noise of that length"
            ),
        }
