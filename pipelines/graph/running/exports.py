"""The export of a study's data set, made or not, to files of its own."""

from advcore.counts import counted
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.graph.running.trained_models import untrained
from advcore.pipelines.graph.settings import AnyStudy, GraphStudy
from advcore.pipelines.settings.messages import joined, suggestion
from advcore.workers.datasets import Dataset
from advcore.workers.datasets.export import Exported
from advcore.workers.errors import InputError
from advcore.workers.stores.store import store_of, store_to_read


def find_data(study: AnyStudy, name: str) -> Dataset:
    """Return a data set of a study by its name; nothing is trained, made or written.

    Raises InputError where there is none of this name, or it is not made yet.
    """
    location = store_of(study.run.out, study.run.store)
    load = Loader()
    own, layout = untrained(study, load)
    if name not in layout.data:
        near = suggestion(name, layout.data) or ";"
        raise InputError(
            f"the study {study.name} has no data set {name!r}{near} it has {joined(layout.data)}"
        )
    if isinstance(own, GraphStudy):
        products = Products(own, layout, load, location, lambda: store_to_read(location))
        products.settle_with_networks()
        if name not in products.data:
            raise InputError(
                f"the data set {name} of the study {study.name} is not made yet: run the study "
                f"first, with the same settings (store {location})"
            )
    return load(layout.data[name])


def describe_export(name: str, done: Exported) -> str:
    """Say what was written, and by how much its values were rounded."""
    said = f"{name}: {counted(done.samples, 'sample')} in {done.place}"
    return f"{said}, rounded to 8 bits (by {done.rounding:.2g} at most)" if done.rounding else said
