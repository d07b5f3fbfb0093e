"""What a training is: a network, its samples, a recipe, a place."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from advcore.training import Recipe
from pipelines import schema
from pipelines.prepare import check_box, check_model
from pipelines.study import check_name
from workers.actor import resolve_device
from workers.datasets import Dataset, DataSpec, load
from workers.models import ModelSpec, content_hash
from workers.refusal import Refused


@dataclass(frozen=True)
class TrainSettings:
    """Where a training runs.

    Attributes:
        threads: CPU threads; all cores when not given.
        device: cpu, cuda, or auto: a GPU where there is one.
        out: folder of the checkpoints and the default MLflow store.
        tracking_uri: MLflow server or store; MLFLOW_TRACKING_URI, else a SQLite file in `out`, when not given.
        experiment: MLflow experiment.
        track: write to MLflow at all.
    """

    threads: int | None = None
    device: str = "auto"
    out: str = "results"
    tracking_uri: str | None = None
    experiment: str = "advcore-training"
    track: bool = True

    def check(self) -> None:
        """Raise Refused for settings that cannot work. Not done on construction: flags and file are put together first."""
        if self.threads is not None and self.threads < 1:
            raise Refused(f"run.threads must be at least 1; got {self.threads}")
        resolve_device(self.device)


@dataclass(frozen=True)
class Training:
    """One network, trained.

    Attributes:
        name: of the checkpoint, `OUT/models/NAME.safetensors`, and of the MLflow run.
        model: the network; its checkpoint, if any, is where training starts.
        data: the training samples.
        test: samples whose accuracy is shown each epoch; nothing is chosen by it.
        recipe: how it is trained.
        run: where.
    """

    name: str
    model: ModelSpec
    data: DataSpec
    test: DataSpec | None = None
    recipe: Recipe = field(default_factory=Recipe)
    run: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def checkpoint(self) -> Path:
        """Where the trained network goes."""
        return Path(self.run.out).absolute() / "models" / f"{self.name}.safetensors"


@dataclass(frozen=True, eq=False)
class Loaded:
    """A training that can work: its samples, and its id."""

    training: Training
    data: Dataset
    test: Dataset | None
    identity: str


def loaded(training: Training) -> Loaded:
    """Load the samples and send two of them through the network. Raises Refused for whatever cannot work."""
    training.run.check()
    data = load(training.data)
    for name, term in training.recipe.objective.items():
        check_box(f"objective.{name}", term, data)
    test = load(training.test) if training.test else None
    for dataset in (data, test) if test else (data,):
        check_model("the model", training.model, dataset)
    return Loaded(training, data, test, _identity(training, data))


def _identity(training: Training, data: Dataset) -> str:
    """The training's id: network, first weights, samples and recipe."""
    parts = [training.name, content_hash(training.model), data.digest, schema.unstructure(training.recipe)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
