"""Reports on a finished study whose results folder is read-only."""

import tempfile
from dataclasses import replace
from pathlib import Path

from advcore.pipelines.study.plan import Prepared
from advcore.pipelines.study.report import Report, write_report
from advcore.workers.errors import InputError
from advcore.workers.stores.rows import Damaged
from advcore.workers.stores.store import open_store


def archived(prepared: Prepared, store_location: str, folder: Path) -> Report | None:
    """Return the report of a study whose rows are all in a read-only store; None if any is missing.

    Nothing is written: the figures that it names are those that stand in the folder.
    """
    try:
        store = open_store(store_location, write=False)
        if store.missing(work.key for work in prepared.all_works()):
            return None
    except InputError:
        return None
    with tempfile.TemporaryDirectory() as place:
        try:
            report = write_report(prepared, store, [], Path(place))
        except Damaged:
            return None
        drawn = [folder / figure.relative_to(place) for figure in report.figures]
    return replace(report, folder=folder, figures=[figure for figure in drawn if figure.is_file()])
