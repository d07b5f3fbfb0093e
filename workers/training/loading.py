"""The samples of a training: those that are learnt, held out, and tested on."""

from dataclasses import dataclass

import numpy as np

from advcore.training import Validation
from advcore.training.mixed_precision import check_precision
from advcore.training.pictures import check_inputs
from advcore.workers.datasets import Dataset
from advcore.workers.devices import resolve_device, threads_set
from advcore.workers.errors import InputError
from advcore.workers.model_checks import check_box, check_model, check_threats
from advcore.workers.training.description import TrainingSpec
from advcore.workers.training.start import check_start


@dataclass(frozen=True, eq=False)
class Loaded:
    """A training with its samples.

    Attributes:
        training: its description.
        data, held_out, test: the samples that are learnt, those that are held out of them, those
            that it is tested on.
        digest: of the training samples, the held-out ones among them.
        identity: the training's id, see `TrainingSpec.identity`.
        classes: the number of the network's logits; 0 where nobody looked.
    """

    training: TrainingSpec
    data: Dataset
    held_out: Dataset | None
    test: Dataset | None
    digest: str
    identity: str
    classes: int = 0

    def identity_after(self, done: int) -> str:
        """Return the id of what the first `done` epochs depend on.

        It is that of the training without later changes of its recipe.
        """
        if not self.training.recipe.changes:
            return self.identity
        return self.training.until(done).identity(self.digest)


def with_samples(
    training: TrainingSpec,
    data: Dataset,
    test: Dataset | None,
    digest: str,
    identity: str,
    classes: int = 0,
) -> Loaded:
    """Return the training with its samples, those apart that are held out.

    Raises InputError where validation holds out none or all.
    """
    validation = training.validation
    learnt, held_out = (data, None) if validation is None else hold_out(data, validation)
    return Loaded(training, learnt, held_out, test, digest, identity, classes)


@threads_set(1)
def check_training(
    training: TrainingSpec, data: Dataset, test: Dataset | None, device: str = "auto"
) -> int:
    """Send two samples of each data set through the network; return the number of its logits.

    Raises InputError for whatever cannot work.
    """
    if training.model.wrapper is not None:
        raise InputError(
            f"model.wrapper: {training.model.wrapper!r} is put around a network to measure it; "
            "leave it out of a training"
        )
    try:
        check_precision(training.recipe.precision, resolve_device(device))
    except ValueError as error:
        raise InputError(f"recipe.precision: {error}") from error
    try:
        check_inputs(training.recipe, data.shape)
    except ValueError as error:
        raise InputError(f"recipe.{error}") from error
    terms = {f"objective.{name}": term for name, term in training.recipe.objective.items()}
    holders = {**terms, "validation": training.validation, "watch": training.watch}
    for name, holder in holders.items():
        check_box(name, holder, data)
    seen = (data, test) if test else (data,)
    classes, *_ = [check_model("the model", training.network, dataset).classes for dataset in seen]
    for name, holder in holders.items():
        try:
            check_threats(holder, training.network, data)
        except ValueError as error:
            raise InputError(f"{name}: {error}") from error
    check_start(training, data, classes)
    return classes


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
    return data.chosen(np.sort(order[count:])), data.chosen(np.sort(order[:count]))


def sample_subset(data: Dataset, count: int) -> Dataset:
    """Draw `count` samples uniformly, or all where there are fewer; always the same ones."""
    return data.chosen(np.sort(np.random.RandomState(0).permutation(len(data))[:count]))
