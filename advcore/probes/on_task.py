"""A probe of classifiers that looks at a task other than classification."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from advcore.attacks import Attack
from advcore.box import attacks_of, needs_box
from advcore.classifier import Classifier
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Indexed, Probe, Summary
from advcore.probes.robustness import Robustness
from advcore.probes.table import Columns, Table
from advcore.randomness import Randomness
from advcore.tasks import Decided, Segmentation, Task


@dataclass(frozen=True)
class OnTask:
    """Measure by another probe the decision whether a task is done right.

    The task is posed of each sample by (seed, index). Its criterion makes a classifier of the
    network's outputs, of class 0 where they are right (`advcore.tasks.output_criteria`), and each
    sample's label is 0: so `robustness` tells up to which eps the task is done right, and how far
    away the nearest input is on which it is not.

    Columns: those of the other probe.

    Attributes:
        task: task.
        probe: probe of classifiers; one that compares networks, or chooses samples, cannot be
            taken.
    """

    task: Task = field(default_factory=Segmentation)
    probe: Probe = field(default_factory=lambda: Robustness(eps=(0.1,)))

    @property
    def attacks(self) -> tuple[Attack, ...]:
        """The attacks of the other probe."""
        return attacks_of(self.probe)

    @property
    def box(self) -> bool:
        """True if the other probe keeps to the box."""
        return needs_box(self.probe)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        self.task.check(shape)
        self.probe.validate(shape, 2)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return self.probe.values() if isinstance(self.probe, Indexed) else {}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        inputs, targets = self.task.pose(batch.inputs, randomness.stream("task"))
        decided = Decided(classifier, self.task.criterion, targets)
        posed = replace(batch, inputs=inputs, labels=torch.zeros_like(batch.labels))
        return self.probe.measure(decided, posed, randomness)

    def summarise(self, table: Table) -> Summary:
        return self.probe.summarise(table)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return self.probe.charts(tables)
