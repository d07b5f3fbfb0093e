"""Images, their minimal perturbations and what they become (article, Fig. 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from advcore.attacks import Attack, MinimalNorm
from advcore.attacks.attack import has_budget, norm_of
from advcore.classifier import Classifier, check_pictures, predict
from advcore.criteria import Untargeted
from advcore.probes.attack_labels import told_apart, units_of
from advcore.probes.charts import Chart, Gallery, Panel
from advcore.probes.probe import Batch, Summary, measure_some
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Examples:
    """Attack `count` samples and keep the images; one row per attack x sample.

    Columns: `sample`, `label`, `prediction`, `adversarial_prediction`, `distance`, `image` and
    `adversarial` `(C, H, W)`; with `more`, `attack`.

    Attributes:
        attack: minimal-norm attack.
        more: further minimal-norm attacks, of other norms perhaps, whose pictures stand below each
            other.
        count: number of samples, drawn from the study's by a hash of their indices, the same
            whatever the shards.
    """

    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2"))
    count: int = 6
    more: tuple[Attack, ...] = field(default=(), metadata={"later": True})

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1; got {self.count}")
        if len(set(self.chosen)) < len(self.chosen):
            raise ValueError("attack and more must name each attack once")
        if any(map(has_budget, self.chosen)):
            raise ValueError(
                "examples need a minimal-norm attack, such as deepfool; one with a budget eps "
                "always fills it"
            )

    @property
    def chosen(self) -> tuple[Attack, ...]:
        """The attacks that run."""
        return (self.attack, *self.more)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"attack": told_apart(self.chosen)} if self.more else {}

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_pictures(shape, "a gallery of examples")
        if shape[0] not in (1, 3):
            raise ValueError(f"examples draw images of 1 or 3 channels; got {shape[0]}")

    @property
    def drawn(self) -> int:
        """The number of samples that are measured."""
        return self.count

    def samples(self, batch: Batch) -> Batch:
        return batch.drawn(self.count)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        some = self.samples(batch)
        return measure_some(
            batch, some, randomness, lambda part, noise: self._measure(classifier, part, noise)
        )

    def _measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        images, times = batch.inputs, len(self.chosen)
        prediction = predict(classifier, images)
        results = [
            attack(classifier, images, Untargeted(prediction), randomness) for attack in self.chosen
        ]
        names = [name for name in told_apart(self.chosen) for _ in range(len(images))]
        return Table(
            {
                "sample": batch.indices.repeat(times),
                **({"attack": names} if self.more else {}),
                "label": batch.labels.repeat(times),
                "prediction": prediction.repeat(times),
                "adversarial_prediction": torch.cat(
                    [predict(classifier, result.images) for result in results]
                ),
                "distance": torch.cat([result.distance for result in results]),
                "image": images.repeat(times, 1, 1, 1),
                "adversarial": torch.cat([result.images for result in results]),
            }
        )

    def summarise(self, table: Table) -> Summary:
        scalars, meanings = dict[str, float](), dict[str, str]()
        for attack, own in zip(self.chosen, self._by_attack(table), strict=True):
            name = f"mean_distance/{norm_of(attack)}" if self.more else "mean_distance"
            scalars[name] = own.numbers("distance").mean().item()
            meanings[name] = (
                f"mean {norm_of(attack)} length of the perturbations drawn, out of the "
                "predicted class"
            )
        return Summary(scalars, meanings=meanings)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        parts = {model: self._by_attack(table) for model, table in tables.items()}
        some = next(iter(parts.values()))[0]
        count = min(self.count, len(some["sample"]))
        places = [(row, place) for row in range(count) for place in range(len(self.chosen))]
        norms = [norm_of(attack) for attack in self.chosen]
        return [
            Gallery(
                name="examples",
                title="Minimal perturbations",
                rows=[
                    [
                        _image(some, row),
                        *(panel for own in parts.values() for panel in _pair(own[place], row)),
                    ]
                    for row, place in places
                ],
                row_labels=[
                    f"sample {int(some.numbers('sample')[row])}"
                    + (f", {norms[place]}" if self.more else "")
                    for row, place in places
                ],
                column_labels=[
                    "image",
                    *(
                        label
                        for model in tables
                        for label in (f"{model}:\nperturbation", f"{model}:\nadversarial")
                    ),
                ],
                note="Perturbations are scaled to be seen; the number is their size "
                f"({units_of(norms)}). Samples are drawn by a hash; class before → after.",
            )
        ]

    def _by_attack(self, table: Table) -> list[Table]:
        """Return the rows of each attack."""
        if not self.more:
            return [table]
        return [table.take(table.rows_with("attack", name)) for name in told_apart(self.chosen)]


def _image(table: Table, row: int) -> Panel:
    return Panel(table.numbers("image")[row], f"label {int(table.numbers('label')[row])}")


def _pair(table: Table, row: int) -> tuple[Panel, Panel]:
    """The perturbation and the adversarial image of one sample."""
    image, adversarial, distance, before, after = (
        table.numbers(name)[row]
        for name in ("image", "adversarial", "distance", "prediction", "adversarial_prediction")
    )
    return Panel(adversarial - image, f"{distance.item():.3g}", signed=True), Panel(
        adversarial, f"{int(before)} → {int(after)}"
    )
