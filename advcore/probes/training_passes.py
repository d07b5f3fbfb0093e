"""The passes that a training step takes, as rows beside what the trained network is like."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from advcore.classifier import Classifier
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.training.passes import passes_of_step
from advcore.training.term import Term

MEANINGS = {
    "forward": "forward passes for each sample of a training step",
    "backward": "backward passes for each sample of a training step",
}


@dataclass(frozen=True)
class TrainingPasses:
    """The passes of one step of an objective on the network, see `advcore.training.passes`.

    What training costs, whatever the machine: times the number of epochs, for each sample of the
    training set. One batch says it; terms with attacks that stop early take others on other
    samples.

    Columns: `sample`; `forward` and `backward`, passes for each sample, means over the shard.

    Attributes:
        objective: terms by name, as in a recipe, at the end of their schedules.
    """

    objective: dict[str, Term] = field(hash=False)

    def __post_init__(self) -> None:
        if not any(term.weight for term in self.objective.values()):
            raise ValueError(
                "objective needs a term with a weight above 0, as that of a recipe does; got none"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept inputs of any shape; terms raise for those that they cannot work with."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        if not isinstance(classifier, nn.Module):
            raise ValueError(
                f"training_passes needs a network that can be trained; got {classifier!r}"
            )
        found = passes_of_step(self.objective, classifier, batch.inputs, batch.labels, randomness)
        ones = torch.ones(len(batch.inputs), dtype=torch.float64)
        return Table(
            {
                "sample": batch.indices,
                "forward": found.forward * ones,
                "backward": found.backward * ones,
            }
        )

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        return Summary(
            {name: table.numbers(name).mean().item() for name in MEANINGS}, meanings=MEANINGS
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return none: two numbers a network are a table, which the report has."""
        return []
