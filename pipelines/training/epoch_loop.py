"""The epochs of a training that is given by its settings."""

from collections.abc import Iterator
from pathlib import Path

from advcore.pipelines.training.loading import load_training
from advcore.pipelines.training.settings import Training
from advcore.workers.training.epoch_loop import Progress, run_epochs


def epochs(training: Training, folder: Path) -> Iterator[Progress]:
    """Train in `folder`, or continue; see `run_epochs`.

    Raises InputError before any work for what cannot work.
    """
    yield from run_epochs(
        load_training(training), folder, training.run.device, training.run.threads
    )
