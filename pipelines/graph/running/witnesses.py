"""The input and output files of a study, whose change means that it has to be run again."""

from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.reporting.report import Report
from advcore.pipelines.graph.reporting.saved_answer import Stats, stats
from advcore.pipelines.graph.running.trained_models import recipes_of
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.shipped import find
from advcore.workers.code import find_modules, own_names
from advcore.workers.datasets.origin import files
from advcore.workers.paths import expand_path
from advcore.workers.stores.folder_store import FolderStore
from advcore.workers.stores.store import Store


def input_files(study: AnyStudy, layout: Layout) -> Stats | None:
    """Return the recipes, data, checkpoints and own modules of a study; None if one is not local.

    `layout` has its trained models.
    """
    data = [files(spec) for name, spec in layout.data.items() if name not in layout.derived]
    checkpoints = [
        spec.checkpoint for spec in layout.networks.values() if spec.checkpoint is not None
    ]
    if None in data or any(":/" in checkpoint for checkpoint in checkpoints):
        return None
    recipes = [find(recipe, "recipes").absolute() for recipe in recipes_of(study)]
    own = [expand_path(checkpoint).absolute() for checkpoint in checkpoints]
    settings = [
        schema.unstructure(study),
        *(schema.unstructure(spec) for spec in layout.networks.values()),
        *(schema.load_yaml(recipe) for recipe in recipes),
    ]
    modules = [file for name in own_names(settings) for file in find_modules(name).witnesses]
    held = [file for found in data for file in found or ()]
    try:
        return stats([*recipes, *held, *own, *modules])
    except OSError:
        return None


def output_files(report: Report, store: Store, keys: list[str]) -> Stats | None:
    """Return the files of the rows and the report; None if the rows are not in a folder."""
    if not isinstance(store, FolderStore):
        return None
    try:
        return stats([*map(store.path, keys), *report.files])
    except OSError:
        return None
