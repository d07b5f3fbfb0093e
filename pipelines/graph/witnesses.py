"""The input and output files of a study, whose change means that it has to be run again."""

from advcore.pipelines.graph.report import Report
from advcore.pipelines.graph.saved_answer import Stats, stats
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.shipped import find
from advcore.workers.code import own_names, reach
from advcore.workers.datasets.origin import files
from advcore.workers.paths import expand_path
from advcore.workers.stores.folder_store import FolderStore
from advcore.workers.stores.store import Store


def input_files(study: Study, resolved: Study) -> Stats | None:
    """Return the recipes, data, checkpoints and own modules of a study; None if one is not local.

    `resolved` is the study with its trained models.
    """
    data = files(study.data)
    checkpoints = [
        spec.checkpoint for spec in resolved.models.values() if spec.checkpoint is not None
    ]
    if data is None or any(":/" in checkpoint for checkpoint in checkpoints):
        return None
    recipes = [find(recipe, "recipes").absolute() for recipe in study.train.values()]
    own = [expand_path(checkpoint).absolute() for checkpoint in checkpoints]
    settings = [schema.unstructure(resolved), *(schema.load_yaml(recipe) for recipe in recipes)]
    modules = [file for name in own_names(settings) for file in reach(name).witnesses]
    try:
        return stats([*recipes, *data, *own, *modules])
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
