"""Signs of gradient masking: how many samples show each, and a warning where they are many."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import PGD, Attack
from advcore.classifier import Classifier
from advcore.masking import DRAWS, STEPS, ball_signs, gradient_signs
from advcore.norms import NormName
from advcore.probes.charts import Chart, Lines, Series, shares
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.robust_accuracy import check_grid

TOLERATED = 0.01
"""The share of the samples classified right above which a sign is a warning. Fewer move a robust
accuracy by a point at most, which is the standard error of one measured on some 2,500 samples."""

VARIES = 1e-3
"""The relative difference of two calls above which they vary. Sums in another order, as GPUs make
them, differ by some 1e-6 in float32."""


@dataclass(frozen=True)
class Masking:
    """Look for signs of gradient masking (see `advcore.masking`); one row per sample.

    Columns: `sample`, `label`, `prediction`; `zero_gradient`, `zero_margin_gradient`, `saturated`,
    `variation` at the image; `broken`, `broken_by_noise` `(E,)`: whether a short PGD of
    cross-entropy, and the best of the draws of noise, find an adversarial image at each eps, both
    true where the prediction is wrong; `regained`, broken at a smaller eps and not at a larger;
    `worse_than_noise`, broken by noise and not by the PGD at the same eps.

    Cost: at most `5 + E (steps + 2 + draws)` forward and `3 + E steps` backward passes a sample.
    The PGD is weak on purpose: the accuracy under it is no robust accuracy, which the probe
    `robustness` measures.

    Attributes:
        eps: the grid, in pixel units; every radius is tried on every sample.
        norm: of the balls.
        steps: of the PGD.
        draws: of the noise.
    """

    eps: tuple[float, ...]
    norm: NormName = "l2"
    steps: int = STEPS
    draws: int = DRAWS

    def __post_init__(self) -> None:
        check_grid(self.eps)
        norms.get(self.norm)
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        """Any images and at least two classes will do."""

    @property
    def chosen(self) -> Attack:
        """The short attack, which keeps to the box."""
        return PGD(norm=self.norm, steps=self.steps)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        ball = ball_signs(
            classifier,
            batch.images,
            batch.labels,
            self.norm,
            self.eps,
            randomness,
            self.steps,
            self.draws,
        )
        signs = gradient_signs(classifier, batch.images, batch.labels)
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
        """Whether each sample is classified right, after the PGD and after noise, `(samples, 1 +
        E)`; the first column without.
        """
        right = (table.numbers("label") == table.numbers("prediction"))[:, None]
        attacked, noisy = (
            torch.cat([right, ~table.numbers(name)], 1) for name in ("broken", "broken_by_noise")
        )
        return attacked, noisy

    def _meanings(self, count: int) -> dict[str, str]:
        after = f"share of {count} samples classified right (true label)"
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


def summarise_signs(table: Table) -> Summary:
    """Shares of the samples classified right that show each sign, NaN where none is right, and a
    warning for each above TOLERATED.

    The table has `label`, `prediction` and the columns of signs, one row a sample, or one a sample
    x attack: there is a column `attack` then, by which `worse_than_noise` is told apart. The
    columns `regained` and `worse_than_noise` may be missing.
    """
    right = table.numbers("label") == table.numbers("prediction")
    columns = {
        name: table.numbers(name) for name in ("zero_gradient", "zero_margin_gradient", "saturated")
    }
    columns["varying"] = table.numbers("variation") > VARIES
    if "regained" in table:
        columns["regained"] = table.numbers("regained")
    shares = {name: _share(column[right]) for name, column in columns.items()}
    worse = _worse_than_noise(table, right) if "worse_than_noise" in table else {}
    scalars = shares | {f"worse_than_noise/{attack}": share for attack, share in worse.items()}
    return Summary(
        scalars, warnings=_warnings(shares, worse), meanings=_meanings(*_samples(table, right))
    )


def _samples(table: Table, right: Tensor) -> tuple[int, int]:
    """How many samples are classified right, and how many there are: each may have several rows."""
    sample = table.numbers("sample") if "sample" in table else torch.arange(len(right))
    return len(sample[right].unique()), len(sample.unique())


def _meanings(right: int, count: int) -> dict[str, str]:
    of = f"share of the {right} samples classified right of {count}"
    return {
        "zero_gradient": (
            f"{of}, at whose image the gradient of cross-entropy (true label) is exactly 0"
        ),
        "zero_margin_gradient": (
            f"{of}, at whose image the gradient of the logit margin is exactly 0"
        ),
        "saturated": f"{of}, whose label's probability rounds to 1",
        "varying": (
            f"{of}, whose logits or gradients differ between two calls by more than "
            f"{VARIES:g}, relatively"
        ),
        "regained": f"{of}, that a short PGD breaks at some eps and not at a larger one",
        "worse_than_noise": (
            f"{of}, that random noise breaks at an eps at which this attack does not"
        ),
    }


def _worse_than_noise(table: Table, right: Tensor) -> dict[str, float]:
    """By attack; the short PGD where the table names none."""
    worse = table.numbers("worse_than_noise")
    if "attack" not in table:
        return {"short_pgd": _share(worse[right])}
    return {
        name: _share(worse[table.rows_with("attack", name) & right])
        for name in dict.fromkeys(table.words("attack"))
    }


def _share(flags: Tensor) -> float:
    return flags.double().mean().item()


def _warnings(shares: Mapping[str, float], worse: Mapping[str, float]) -> dict[str, str]:
    """One sentence for each sign above TOLERATED: the number, what it means, what to do."""
    of, entropy, margin = (
        "of the samples classified right",
        shares["zero_gradient"],
        shares["zero_margin_gradient"],
    )
    saturated, varying, regained = (
        shares["saturated"],
        shares["varying"],
        shares.get("regained", 0.0),
    )
    behind = {name: share for name, share in worse.items() if share > TOLERATED}
    moving = "take the objective logit_margin or logit_ratio, or deepfool"
    blind = (
        "take an attack without gradients (square), or put a differentiable stand-in where the "
        "gradient is lost"
    )
    signs = {
        "zero_gradients": (
            max(entropy, margin),
            f"the gradient of cross-entropy is exactly 0 on {entropy:.1%} {of}, that of the "
            f"logit margin on {margin:.1%}, where attacks that follow it do not move: "
            f"{blind if margin > TOLERATED else moving}",
        ),
        "saturated_logits": (
            saturated,
            f"the label's probability rounds to 1 on {saturated:.1%} {of}, where cross-entropy as "
            "other code writes it has no whole gradient, and ours a tiny one: beside attacks on "
            "it take objective: logit_margin or logit_ratio, or deepfool",
        ),
        "varying_gradients": (
            varying,
            f"logits or gradients differ between two calls at the same image on {varying:.1%} "
            f"{of}, for the classifier is random: "
            "hold its noise fixed, or attack the mean over many of its draws",
        ),
        "rising_accuracy": (
            regained,
            f"a short PGD breaks {regained:.1%} {of} at some eps and not at a larger one, so that "
            "accuracy rises with eps: its gradients mislead; take the worst of several attacks, "
            "one of them without gradients (square)",
        ),
        "worse_than_noise": (
            max(behind.values(), default=0.0),
            "random noise breaks samples at an eps at which the attack does not "
            f"({_listed(behind)} {of}): give it more steps and restarts, or take one without "
            "gradients (square)",
        ),
    }
    return {name: sentence for name, (share, sentence) in signs.items() if share > TOLERATED}


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
