"""Tasks other than classification, and the criteria of their outputs."""

from advcore.tasks.angle import Angle, turned
from advcore.tasks.output_criteria import (
    Decided,
    Dense,
    OutputCriterion,
    Regression,
    decided_right,
)
from advcore.tasks.segmentation import Segmentation
from advcore.tasks.task import Task

TASKS: dict[str, type] = {"segmentation": Segmentation, "angle": Angle}
"""The tasks that a study can name by `kind`."""

__all__ = [
    "TASKS",
    "Angle",
    "Decided",
    "Dense",
    "OutputCriterion",
    "Regression",
    "Segmentation",
    "Task",
    "decided_right",
    "turned",
]
