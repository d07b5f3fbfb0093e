"""A training: a network, its samples, a recipe, a place."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from advcore.pipelines.settings.names import check_name
from advcore.pipelines.settings.runs import TrainSettings
from advcore.training import Diagnosis, Recipe, Validation, Watch
from advcore.workers.datasets import DataSpec
from advcore.workers.models import ModelSpec
from advcore.workers.paths import expand_path
from advcore.workers.training.description import Head, first_network


@dataclass(frozen=True)
class Training:
    """One network, trained.

    Attributes:
        name: name of the checkpoint, `OUT/models/NAME.safetensors`, and of the MLflow run.
        model: network to train; its checkpoint, if any, is the start.
        data: training samples.
        test: samples whose accuracy is shown each epoch; nothing is chosen by it.
        validation: samples held out of the training samples, and how an epoch is chosen by
            them; without it the last epoch is kept.
        watch: further measurement after each epoch.
        on_overfitting: reaction to catastrophic or robust overfitting, see
            `advcore.training.overfitting`: `report` it alone; `stop`; or stop and go `back` to
            the epoch of the best robust accuracy, of validation where there is one, else of the
            watch. The last two need a diagnosis as watch, or validation with an attack.
        recipe: recipe of the training.
        freeze: patterns of parameters and modules that stay as they are, `*` standing for any text:
            `["*"]` for all but a new last layer, `["layer1", "*.bias"]`. Names are those of the
            network in torch. A frozen layer is in evaluation mode, so its statistics stay too.
        head: `new` for a last layer (the linear layer or 1x1 convolution that gives the logits) of
            fresh weights, from the recipe's seed; the checkpoint, which may have another number of
            classes, gives the others. `model.classes` is then that of the data.
        run: settings of the run.
    """

    name: str
    model: ModelSpec
    data: DataSpec
    test: DataSpec | None = None
    validation: Validation | None = None
    watch: Watch | None = None
    on_overfitting: Literal["report", "stop", "back"] = "report"
    recipe: Recipe = field(default_factory=Recipe)
    freeze: tuple[str, ...] = ()
    head: Head | None = None
    run: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        check_name(self.name)
        judged = isinstance(self.watch, Diagnosis) or (
            self.validation is not None and self.validation.attack is not None
        )
        if self.on_overfitting != "report" and not judged:
            raise ValueError(
                f"on_overfitting: {self.on_overfitting} needs something that shows it: watch: "
                f"{{kind: diagnosis, eps: ...}}, or validation with an attack"
            )

    @property
    def network(self) -> ModelSpec:
        """The network before its start is looked at, see `first_network`."""
        return first_network(self.model, self.head)

    @property
    def checkpoint(self) -> Path:
        """The path of the trained network."""
        return expand_path(self.run.out).absolute() / "models" / f"{self.name}.safetensors"
