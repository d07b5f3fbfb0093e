"""A dry run: what a run would do, and how long it would take."""

from advcore.counts import counted
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import prepare_layout
from advcore.pipelines.graph.running.driver import make_runner
from advcore.pipelines.graph.running.estimates import estimate
from advcore.pipelines.graph.running.product_checks import check_claims, check_products
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.graph.running.trained_models import untrained
from advcore.pipelines.graph.running.training_checks import check_trainings
from advcore.pipelines.graph.running.tree import describe_tree
from advcore.pipelines.graph.settings import AnyStudy
from advcore.workers.paths import expand_path
from advcore.workers.stores.store import store_of, store_to_read


def describe_dry_run(study: AnyStudy) -> str:
    """Check a study and describe what a run would do; nothing is trained, measured or written.

    Raises InputError for what a run would refuse, but for what only Ray and MLflow can tell.
    """
    study.run.check()
    out = expand_path(study.run.out).absolute()
    location = store_of(study.run.out, study.run.store)
    make_runner(study.run, location).check()
    load = Loader()
    own, layout = untrained(study, load)
    store = store_to_read(location)
    layout = check_products(own, layout, load)
    check_trainings(layout, load)
    products = Products(own, layout, load, location, lambda: store)
    products.settle_with_networks()
    fits, layout = products.fits, products.layout_so_far()
    missing, unlearnt = products.unfinished, products.unlearnt
    check_claims(layout)
    prepared = prepare_layout(own, layout, load)
    keys = set(store.missing(task.key for task in prepared.all_tasks()))
    tasks = [task for task in prepared.all_tasks() if task.key in keys]
    lines = describe_tree(prepared, keys, missing, fits)
    lines += [f"to train: {', '.join(missing)}"] if missing else []
    lines += [f"to measure: {len(tasks)} of {counted(len(prepared.all_tasks()), 'shard')}"]
    time = estimate(study, prepared, tasks, missing, unlearnt, out)
    return "\n".join([*lines, f"time: {time}"]) + "\n"
