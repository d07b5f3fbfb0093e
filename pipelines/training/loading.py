"""The loading of a training: its samples, the network that fits them, its id."""

import hashlib
import json
import sys
from dataclasses import dataclass, replace

import numpy as np

from advcore.pipelines.settings import schema
from advcore.pipelines.settings.model_checks import check_box, check_model
from advcore.pipelines.training.settings import Training
from advcore.training import Validation
from advcore.training.mixed_precision import check_precision
from advcore.workers.actor import resolve_device
from advcore.workers.code import own_code, unseen_imports
from advcore.workers.datasets import Dataset, load
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec, content_hash


@dataclass(frozen=True, eq=False)
class Loaded:
    """A training whose samples are loaded and whose network fits them.

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
        """Return the id of what the first `epochs` epochs depend on.

        It is that of the training without later changes of its recipe.
        """
        recipe = self.training.recipe
        if not recipe.changes:
            return self.identity
        before = tuple(change for change in recipe.changes if change.after < done)
        return _identity(
            replace(self.training, recipe=replace(recipe, changes=before)), self.model, self.digest
        )


def load_training(training: Training, model: ModelSpec | None = None) -> Loaded:
    """Load the samples and send two of them through the network.

    Raises InputError for whatever cannot work.

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
        (data, None) if training.validation is None else hold_out(data, training.validation)
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


def hold_out(data: Dataset, validation: Validation) -> tuple[Dataset, Dataset]:
    """Split off the held-out samples, drawn by the validation's seed.

    Return the samples to learn and those held out, both in ascending order.

    Raises InputError where one of them is empty.
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
    """Draw `count` samples uniformly, or all where there are fewer; always the same ones."""
    return _selected(data, np.random.RandomState(0).permutation(len(data))[:count])


def _selected(data: Dataset, rows: np.ndarray) -> Dataset:
    rows = np.sort(rows)
    return replace(
        data, images=data.images[rows], labels=data.labels[rows], indices=data.indices[rows]
    )


def warn_of_unseen(*settings: object) -> None:
    """Print a warning for each of the user's modules whose imports are in no cache key."""
    for sentence in unseen_imports([schema.unstructure(part) for part in settings]).values():
        print(f"advcore: warning: {sentence}", file=sys.stderr)


def _identity(training: Training, model: ModelSpec, digest: str) -> str:
    """Return the training's id, 16 hexadecimal digits."""
    settings = schema.unstructure(training)
    chosen = [settings[name] for name in ("validation", "watch", "on_overfitting", "recipe")]
    parts = [training.name, content_hash(model), digest, *chosen, *filter(None, [own_code(chosen)])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
