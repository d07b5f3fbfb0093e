"""A dry run: what a run would do, and how long it would take."""

from dataclasses import replace
from pathlib import Path

from advcore.pipelines.graph.driver import make_runner
from advcore.pipelines.graph.estimates import estimate, pending
from advcore.pipelines.graph.plan import prepare
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.graph.trained_models import untrained
from advcore.workers.counting import counted
from advcore.workers.paths import expand_path
from advcore.workers.stores.folder_store import FolderStore
from advcore.workers.stores.store import open_store, resolved


def describe_dry_run(study: Study) -> str:
    """Check a study and describe what a run would do; nothing is trained, measured or written.

    Raises InputError for what a run would refuse, but for what only Ray and MLflow can tell.
    """
    study.run.check()
    out = expand_path(study.run.out).absolute()
    location = resolved(study.run.store or str(out / "store"))
    make_runner(study.run, location).check()
    own, prepared, trainings = untrained(study)
    missing = pending(trainings)
    if trainings and not missing:
        models = {
            name: replace(training.model, checkpoint=str(training.checkpoint))
            for name, training in trainings.items()
        }
        prepared = prepare(replace(own, models={**own.models, **models}, train={}))
    store = open_store(location, write=False) if "://" in location else FolderStore(Path(location))
    keys = set(store.missing(work.key for work in prepared.all_works()))
    works = [work for work in prepared.all_works() if work.key in keys]
    lines = [
        (
            f"study {study.name}: {counted(len(prepared.seen), 'model')}, "
            f"{counted(len(study.probes), 'probe')}, {counted(len(prepared.dataset), 'sample')}"
        )
    ]
    lines += [f"to train: {', '.join(missing)}"] if missing else []
    lines += [f"to measure: {len(works)} of {counted(len(prepared.all_works()), 'shard')}"]
    return "\n".join([*lines, f"time: {estimate(study, prepared, works, missing, out)}"]) + "\n"
