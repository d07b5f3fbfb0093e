"""One training: a graph of one node, in this process."""

import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cache

import torch
from tqdm import tqdm

from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.side_by_side import Trainings
from advcore.pipelines.graph.running.training_jobs import raise_failure
from advcore.pipelines.machine.lock import Locks
from advcore.pipelines.tracking.checkpoints import download_checkpoint
from advcore.pipelines.training.loading import load_training, warn_of_unseen
from advcore.pipelines.training.outcome import Trained
from advcore.pipelines.training.settings import Training
from advcore.workers.inline import Inline
from advcore.workers.stores.store import Store, open_store, store_of
from advcore.workers.tasks import TaskResult, Work


@dataclass
class _Alone:
    """The network of one training, see `Networks`."""

    layout: Layout
    store: Callable[[], Store]
    networks: set[str] = field(default_factory=set)

    def take_training(self, label: str) -> None:
        """Note that the network is there."""
        self.networks.add(label)


def train(training: Training) -> Trained:
    """Train to the end, or continue, unless the checkpoint of exactly this training is there.

    Its epochs lie in the store of its folder of results until it is finished. Raises InputError
    before any work for what cannot work, another driver on the same training among it. What an
    MLflow that went away lacks in the end is logged by the next call.
    """
    place, out = training.run, training.checkpoint.parents[1]
    load = Loader()
    model = download_checkpoint(training.model, place.tracking_uri, out)
    classes = {training.name: load_training(training, model, load).classes}
    warn_of_unseen(training)
    threads = place.threads or torch.get_num_threads()
    training = replace(training, run=replace(place, threads=threads))
    location = store_of(str(out), None)
    layout = Layout({}, {training.name: training.network}, (), {training.name: training})
    alone = _Alone(layout, cache(lambda: open_store(location)))
    told: list[Trained] = []
    with ExitStack() as runs, Locks() as locks:
        work = Trainings(alone, load, runs, locks, classes, lambda _, result: told.append(result))
        first = work.released()
        raise_failure(work.failed)
        if first:
            _run(training, first, work, Inline(location, threads, place.device))
        raise_failure(work.failed)
    return told[0]


def _run(training: Training, first: list[Work], work: Trainings, runner: Inline) -> None:
    """Run the epochs with a progress bar."""
    with (
        tqdm(
            total=training.recipe.epochs,
            initial=work.epochs_before,
            desc=f"train {training.name}",
            unit="epoch",
            file=sys.stderr,
        ) as bar,
        closing(runner.run(first, work.datasets)) as coming,
    ):
        for result in coming:
            work.progressed(result)
            _show(result, bar)
            if result.done:
                work.took(result)


def _show(result: TaskResult, bar: tqdm) -> None:
    """Show an epoch's numbers beside the bar."""
    for metrics in result.metrics:
        shown = {name: f"{own:.4g}" for name, own in metrics.items() if name != "learning_rate"}
        bar.set_postfix(shown, False)
    bar.update(max(0, result.epoch - bar.n))
