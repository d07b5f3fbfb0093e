"""What a training is: a network, its samples, a recipe, a place."""

import hashlib
import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from advcore.pipelines.settings import schema
from advcore.pipelines.settings.model_checks import check_box, check_model
from advcore.pipelines.settings.names import check_name
from advcore.training import Diagnosis, Recipe, Validation, Watch
from advcore.training.fit import check_precision
from advcore.workers.actor import resolve_device
from advcore.workers.code import own_code, unseen_imports
from advcore.workers.datasets import Dataset, DataSpec, load
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec, content_hash
from advcore.workers.paths import expand_path


@dataclass(frozen=True)
class TrainSettings:
    """Where a training runs.

    Attributes:
        threads: CPU threads; all cores when not given.
        device: cpu, cuda, or auto: a GPU where there is one.
        out: folder of the checkpoints and the default MLflow store.
        tracking_uri: MLflow server or store; MLFLOW_TRACKING_URI, else a SQLite file in `out`, when
            not given.
        experiment: MLflow experiment.
        track: write to MLflow at all.
        tracking_wait: seconds that the end of a training waits for an MLflow that went away, and
            writes nothing in them.
    """

    threads: int | None = None
    device: str = "auto"
    out: str = "results"
    tracking_uri: str | None = None
    experiment: str = "advcore-training"
    track: bool = True
    tracking_wait: float = 60.0

    def check(self) -> None:
        """Raise InputError for settings that cannot work. Not done on construction: flags and file
        are put together first."""
        if self.threads is not None and self.threads < 1:
            raise InputError(f"run.threads must be at least 1; got {self.threads}")
        if not self.tracking_wait >= 0:
            raise InputError(
                f"run.tracking_wait is in seconds, 0 or more; got {self.tracking_wait}"
            )
        resolve_device(self.device)


@dataclass(frozen=True)
class Training:
    """One network, trained.

    Attributes:
        name: of the checkpoint, `OUT/models/NAME.safetensors`, and of the MLflow run.
        model: the network; its checkpoint, if any, is where training starts.
        data: the training samples.
        test: samples whose accuracy is shown each epoch; nothing is chosen by it.
        validation: what is held out of the training samples, and how an epoch is chosen by it; none
            means the last one.
        watch: what else is looked at after each epoch.
        on_overfitting: what follows when catastrophic or robust overfitting shows, see
            `advcore.training.overfitting`: `report` it alone; `stop`; or stop and go `back` to the
                epoch of the best robust accuracy, of validation where there is one, else of
            the watch. The last two need a diagnosis as watch, or validation with an attack.
        recipe: how it is trained.
        run: where.
    """

    name: str
    model: ModelSpec
    data: DataSpec
    test: DataSpec | None = None
    validation: Validation | None = None
    watch: Watch | None = None
    on_overfitting: Literal["report", "stop", "back"] = "report"
    recipe: Recipe = field(default_factory=Recipe)
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
    def checkpoint(self) -> Path:
        """Where the trained network goes."""
        return expand_path(self.run.out).absolute() / "models" / f"{self.name}.safetensors"


@dataclass(frozen=True, eq=False)
class Loaded:
    """A training that can work.

    Attributes:
        training: as it is written.
        model, classes: its network, whose checkpoint is a file, and the number of its logits.
        data, held_out, test: the samples that are learnt, those that are held out of them, those
            that it is tested on.
        digest: of the training samples, the held-out ones among them.
        identity: the training's id: network, first weights, samples, what is held out and watched,
            and recipe.
    """

    training: Training
    model: ModelSpec
    classes: int
    data: Dataset
    held_out: Dataset | None
    test: Dataset | None
    digest: str
    identity: str

    def identity_after(self, done: int) -> str:
        """The id of all that its first epochs depend on: that of the training without the changes
        of its recipe that come later."""
        recipe = self.training.recipe
        if not recipe.changes:
            return self.identity
        before = tuple(change for change in recipe.changes if change.after < done)
        return _identity(
            replace(self.training, recipe=replace(recipe, changes=before)), self.model, self.digest
        )


def load_training(training: Training, model: ModelSpec | None = None) -> Loaded:
    """Load the samples and send two of them through the network. Raises InputError for whatever
    cannot work.

    `model` is the training's own, where its checkpoint was fetched from elsewhere.
    """
    model = model or training.model
    training.run.check()
    if model.wrapper is not None:
        raise InputError(
            f"model.wrapper: {model.wrapper!r} is put around a network to measure it; leave it "
            "out of a training"
        )
    try:
        check_precision(training.recipe.precision, resolve_device(training.run.device))
    except ValueError as error:
        raise InputError(f"recipe.precision: {error}") from error
    data = load(training.data)
    terms = {f"objective.{name}": term for name, term in training.recipe.objective.items()}
    for name, holder in {
        **terms,
        "validation": training.validation,
        "watch": training.watch,
    }.items():
        check_box(name, holder, data)
    test = load(training.test) if training.test else None
    classes = [
        check_model("the model", model, dataset).classes
        for dataset in ((data, test) if test else (data,))
    ]
    learnt, held_out = (
        (data, None) if training.validation is None else split(data, training.validation)
    )
    return Loaded(
        training,
        model,
        classes[0],
        learnt,
        held_out,
        test,
        data.digest,
        _identity(training, model, data.digest),
    )


def split(data: Dataset, validation: Validation) -> tuple[Dataset, Dataset]:
    """The samples that are left to learn, and those that are held out, drawn by the validation's
    seed; both in ascending order.

    Raises InputError where no sample is left for one of them.
    """
    share = isinstance(validation.samples, float)
    count = round(validation.samples * len(data)) if share else int(validation.samples)
    if not 0 < count < len(data):
        raise InputError(
            f"validation.samples: {validation.samples} holds out {count} of {len(data)} training "
            "samples: leave at least one on either side"
        )
    order = np.random.RandomState(validation.seed).permutation(len(data))
    return _selected(data, order[count:]), _selected(data, order[:count])


def sample_subset(data: Dataset, count: int) -> Dataset:
    """`count` samples, or all where there are fewer, drawn uniformly: always the same ones of the
    same data."""
    return _selected(data, np.random.RandomState(0).permutation(len(data))[:count])


def _selected(data: Dataset, rows: np.ndarray) -> Dataset:
    rows = np.sort(rows)
    return replace(
        data, images=data.images[rows], labels=data.labels[rows], indices=data.indices[rows]
    )


def warn_of_unseen(*settings: object) -> None:
    """Print one line for each of the user's own modules that imports what no key holds."""
    for sentence in unseen_imports([schema.unstructure(part) for part in settings]).values():
        print(f"advcore: warning: {sentence}", file=sys.stderr)


def _identity(training: Training, model: ModelSpec, digest: str) -> str:
    """The training's id, 16 hexadecimal digits."""
    settings = schema.unstructure(training)
    chosen = [settings[name] for name in ("validation", "watch", "on_overfitting", "recipe")]
    parts = [training.name, content_hash(model), digest, *chosen, *filter(None, [own_code(chosen)])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
