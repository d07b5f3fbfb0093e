"""Fragility: how far an explanation moves while the prediction stays (article, section IV-A)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from advcore.checks import check_pictures
from advcore.classifier import Classifier, full_precision, predict
from advcore.counts import counted
from advcore.explain import Attribution, ExplanationAttack
from advcore.explain.agreement import centre_shift, kendall, salience, spearman, top_shared
from advcore.probes.charts import Chart, Lines, Series, ascending
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness

PERTURBATIONS = ("attack", "noise")
MEASURES = {
    "top_shared": "share of the largest pixels of the explanation that stay among the largest",
    "spearman": "rank correlation of the pixels of the explanation before and after",
    "kendall": "Kendall's tau-b of the pixels of the explanation before and after",
    "centre_shift": "distance of the explanation's centres of mass before and after, in pixels",
}


@dataclass(frozen=True)
class Fragility:
    """The explanation of a prediction before and after an attack on it, and noise of that size.

    The explanation is that of the label predicted before, as magnitudes summed over channels. There
    is one row per perturbation x sample. The attack keeps the prediction; noise of the same size,
    the control, need not.

    Columns: `sample`; `perturbation`, attack or noise; `correct`, whether the label predicted
    before is the true one; `unchanged`, whether it is predicted after; `top_shared`, the share of
    the `top` largest pixels that stay among them; `spearman` and `kendall`, the rank correlations
    of all pixels; `centre_shift`, the distance between the centres of mass, in pixels.

    Attributes:
        attack: attack on the explanation.
        top: number of the largest pixels that are compared.
        attribution: attribution by which the moved explanation is judged; that of the attack when
            None. Chen et al. 2019 judge by integrated gradients of 100 steps.
    """

    attack: ExplanationAttack
    top: int = 100
    attribution: Attribution | None = None

    shares: ClassVar[tuple[str, ...]] = ("top_shared",)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError(f"top must be at least 1 pixel; got {self.top}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        _, height, width = check_pictures(shape, "the fragility of explanations")
        if self.top > height * width:
            raise ValueError(
                f"top must be at most {height * width}, the pixels of a picture; got {self.top}"
            )
        self.attack.validate(shape)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"perturbation": PERTURBATIONS}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        images, attack = batch.inputs, self.attack
        with full_precision():
            labels = predict(classifier, images)
            moved = [attack(classifier, images, randomness), self._noisy(images, randomness)]
            unchanged = torch.cat([predict(classifier, each) == labels for each in moved])
            before = self._shares(classifier, images, labels, randomness)
            after = [self._shares(classifier, each, labels, randomness) for each in moved]
        pairs = [(before, each) for each in after]
        return Table(
            {
                "sample": batch.indices.repeat(len(moved)),
                "perturbation": [name for name in PERTURBATIONS for _ in labels],
                "correct": (labels == batch.labels).repeat(len(moved)),
                "unchanged": unchanged,
                "top_shared": torch.cat([top_shared(*pair, self.top) for pair in pairs]),
                "spearman": torch.cat([spearman(*pair) for pair in pairs]),
                "kendall": torch.cat([kendall(*pair) for pair in pairs]),
                "centre_shift": torch.cat([centre_shift(*pair) for pair in pairs]),
            }
        )

    def _noisy(self, images: Tensor, randomness: Randomness) -> Tensor:
        """Images with noise of length eps: in linf eps up or down in each pixel, in the box."""
        ball = self.attack.ball(images)
        noise = randomness.stream("fragility").stream("noise").normal(images.shape[1:]).to(images)
        return ball.project(images + self.attack.eps * ball.steepest(noise, images))

    def _shares(
        self, classifier: Classifier, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        attribution = self.attribution or self.attack.attribution
        return salience(attribution(classifier, images, labels, randomness).maps)

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        scalars = dict[str, float]()
        for name, each in product(("unchanged", *MEASURES), PERTURBATIONS):
            own = table.take(table.rows_with("perturbation", each)).numbers(name).double()
            scalars[f"{name}/{each}"] = own.nanmean().item()
        count = counted(len(table["sample"]) // len(PERTURBATIONS), "sample")
        meanings = {name: f"mean over {count} of the {text}" for name, text in MEASURES.items()}
        meanings["unchanged"] = f"share of {count} whose predicted label stays"
        meanings["top_shared"] += f" {self.top}"
        return Summary(scalars, meanings=meanings)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        series: list[Series] = []
        for place, (model, table) in enumerate(tables.items()):
            for name in PERTURBATIONS:
                own = table.take(table.rows_with("perturbation", name)).numbers("top_shared")
                line = ascending(f"{model}, {name}", 100 * own)
                series.append(replace(line, shade=place, mark=place, thin=name == "noise"))
        return [
            Lines(
                name="fragility",
                title="Explanations that move while the prediction stays",
                x_label="samples, each line's sorted by its own values (%)",
                y_label=f"top {self.top} pixels kept (%)",
                series=series,
                y_limits=(0, 102),
                note=f"{self.attack.norm} {self.attack.eps:g}. Thin: noise of the same size.",
            )
        ]
