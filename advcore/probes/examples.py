"""Images, their minimal perturbations and what they become (article, Fig. 1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from advcore.attacks import Attack, MinimalNorm
from advcore.attacks.attack import has_budget, norm_of
from advcore.classifier import Classifier, check_pictures, predict
from advcore.criteria import Untargeted
from advcore.probes.charts import Chart, Gallery, Panel
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Examples:
    """Attack `count` samples and keep the images; one row per sample.

    Columns: `sample`, `label`, `prediction`, `adversarial_prediction`, `distance`, `image` and
    `adversarial` `(C, H, W)`.

    Attributes:
        attack: minimal-norm attack.
        count: number of samples, drawn from the study's by a hash of their indices, the same
            whatever the shards.
    """

    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2"))
    count: int = 6

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1; got {self.count}")
        if has_budget(self.attack):
            raise ValueError(
                "examples need a minimal-norm attack, such as deepfool; one with a budget eps "
                "always fills it"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_pictures(shape, "a gallery of examples")
        if shape[0] not in (1, 3):
            raise ValueError(f"examples draw images of 1 or 3 channels; got {shape[0]}")

    def samples(self, batch: Batch) -> Batch:
        return batch.drawn(self.count)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        some = self.samples(batch)
        images, prediction, adversarial, distance = (
            some.inputs,
            some.labels,
            some.inputs,
            some.inputs.new_zeros(0),
        )
        if len(images):
            prediction = predict(classifier, images)
            noise = Randomness(randomness.seed, some.indices, randomness.key)
            result = self.attack(classifier, images, Untargeted(prediction), noise)
            adversarial, distance = result.images, result.distance
        return Table(
            {
                "sample": some.indices,
                "label": some.labels,
                "prediction": prediction,
                "adversarial_prediction": predict(classifier, adversarial)
                if len(images)
                else prediction,
                "distance": distance,
                "image": images,
                "adversarial": adversarial,
            }
        )

    def summarise(self, table: Table) -> Summary:
        mean = table.numbers("distance").mean().item()
        meaning = (
            f"mean {norm_of(self.attack)} length of the perturbations drawn, out of the "
            "predicted class"
        )
        return Summary({"mean_distance": mean}, meanings={"mean_distance": meaning})

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        some = next(iter(tables.values()))
        count = min(self.count, len(some["sample"]))
        rows = [
            [
                _image(some, row),
                *(panel for table in tables.values() for panel in _pair(table, row)),
            ]
            for row in range(count)
        ]
        return [
            Gallery(
                name="examples",
                title="Minimal perturbations",
                rows=rows,
                row_labels=[f"sample {int(index)}" for index in some.numbers("sample")[:count]],
                column_labels=[
                    "image",
                    *(
                        label
                        for model in tables
                        for label in (f"{model}:\nperturbation", f"{model}:\nadversarial")
                    ),
                ],
                note="Perturbations are scaled to be seen; the number is their "
                f"{norm_of(self.attack)} norm (pixels in [0, 1]). "
                "Samples are drawn by a hash; class before → after.",
            )
        ]


def _image(table: Table, row: int) -> Panel:
    return Panel(table.numbers("image")[row], f"label {int(table.numbers('label')[row])}")


def _pair(table: Table, row: int) -> tuple[Panel, Panel]:
    """The perturbation and the adversarial image of one sample."""
    image, adversarial, distance, before, after = (
        table.numbers(name)[row]
        for name in ("image", "adversarial", "distance", "prediction", "adversarial_prediction")
    )
    return Panel(adversarial - image, f"{distance.item():.2f}", signed=True), Panel(
        adversarial, f"{int(before)} → {int(after)}"
    )
