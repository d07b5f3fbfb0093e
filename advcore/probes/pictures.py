"""Samples kept as pictures, with what a classifier says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from advcore.classifier import Classifier, check_pictures
from advcore.probes.accuracy import Accuracy
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Pictures:
    """The label that the classifier gives to each sample, and the sample itself.

    A study draws some of them by a figure `pictures`: those that claims count, say.

    Columns: those of `accuracy`: `sample`, `label`, `prediction`, `correct`, `confidence`; and
    `image` `(C, H, W)`, as the classifier sees it.
    """

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_pictures(shape, "a figure of pictures")
        if shape[0] not in (1, 3):
            raise ValueError(f"pictures are drawn of 1 or 3 channels; got {shape[0]}")

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        said = Accuracy().measure(classifier, batch, randomness)
        return Table({**said, "image": batch.inputs})

    def summarise(self, table: Table) -> Summary:
        return Accuracy().summarise(table)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return none: a figure of the study says which ones are drawn."""
        return []
