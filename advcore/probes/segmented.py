"""Pictures, the objects that a network sees in them, and those that it sees after an attack."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm
from advcore.attacks.attack import has_budget, norm_of
from advcore.classifier import Classifier, frozen, full_precision, logits_of
from advcore.probes.attack_labels import units_of
from advcore.probes.charts import Chart, Gallery, Panel
from advcore.probes.probe import Batch, Summary, measure_some
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.tasks import Decided, Segmentation, decided_right


@dataclass(frozen=True)
class Segmented:
    """Attack the segmentation of `count` samples and keep the pictures and the masks.

    Columns: `sample`; `image` and `adversarial` `(C, H, W)`; `target`, `mask` and
    `adversarial_mask` `(H, W)`, 1 for the object; `wrong` and `adversarial_wrong`, the shares of
    wrong pixels; `distance` of the attack, inf where it found nothing.

    Attributes:
        task: task.
        attack: minimal-norm attack.
        count: number of samples, drawn from the study's by a hash of their indices.
    """

    task: Segmentation = field(default_factory=Segmentation)
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2"))
    count: int = 5

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1; got {self.count}")
        if has_budget(self.attack):
            raise ValueError("segmented needs a minimal-norm attack, such as deepfool")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        self.task.check(shape)
        if shape[0] not in (1, 3):
            raise ValueError(f"segmented draws images of 1 or 3 channels; got {shape[0]}")

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
        images, targets = self.task.pose(batch.inputs, randomness.stream("task"))
        decided = Decided(classifier, self.task.criterion, targets)
        result = self.attack(decided, images, decided_right(targets), randomness)
        with full_precision(), frozen(classifier), torch.no_grad():
            masks = [logits_of(classifier, own) > 0 for own in (images, result.images)]
        before, after = ((own != targets.bool()).double().mean(1) for own in masks)
        shown = [_as_picture(own, images) for own in (targets, *masks)]
        return Table(
            {
                "sample": batch.indices,
                "image": images,
                "adversarial": result.images,
                **dict(zip(("target", "mask", "adversarial_mask"), shown, strict=True)),
                "wrong": before,
                "adversarial_wrong": after,
                "distance": result.distance,
            }
        )

    def summarise(self, table: Table) -> Summary:
        return Summary(
            {"mean_wrong": table.numbers("wrong").mean().item()},
            meanings={"mean_wrong": "mean share of wrong pixels of the pictures that are drawn"},
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        some = next(iter(tables.values()))
        count = min(self.count, len(some["sample"]))
        return [
            Gallery(
                name="segmented",
                title="Segmentation before and after the attack",
                rows=[
                    [
                        Panel(some.numbers("image")[row], "seen"),
                        Panel(_mask(some, "target", row), "target"),
                        *(panel for own in tables.values() for panel in _panels(own, row)),
                    ]
                    for row in range(count)
                ],
                row_labels=[f"sample {int(some.numbers('sample')[row])}" for row in range(count)],
                column_labels=[
                    "picture",
                    "object",
                    *(
                        label
                        for model in tables
                        for label in (f"{model}:\nmask", f"{model}:\nattacked", "its mask")
                    ),
                ],
                note="Below a mask its share of wrong pixels; below an attacked picture the size "
                f"({units_of([norm_of(self.attack)])}) of the shortest perturbation found after "
                f"which at least {self.task.share:.0%} of the pixels are wrong.",
            )
        ]


def _as_picture(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images).view(len(images), *images.shape[2:])


def _mask(table: Table, name: str, row: int) -> Tensor:
    return table.numbers(name)[row][None]


def _panels(table: Table, row: int) -> tuple[Panel, Panel, Panel]:
    """The mask, the attacked picture and its mask of one sample."""
    wrong, after, distance = (
        table.numbers(name)[row].item() for name in ("wrong", "adversarial_wrong", "distance")
    )
    return (
        Panel(_mask(table, "mask", row), f"{wrong:.1%}"),
        Panel(table.numbers("adversarial")[row], f"{distance:.3g}"),
        Panel(_mask(table, "adversarial_mask", row), f"{after:.1%}"),
    )
