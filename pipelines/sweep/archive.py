"""The report of a finished sweep in a folder that may only be read."""

import tempfile
from dataclasses import replace
from pathlib import Path

from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.report import SweepReport, report_of
from advcore.pipelines.tracking.record import NullRun
from advcore.workers.errors import InputError
from advcore.workers.stores.rows import Damaged


def archived(plan: Plan, folder: Path) -> SweepReport | None:
    """Return the report of a sweep whose trials all ended; None if a file that it needs is missing.

    Nothing is written: the figures that it names are those that stand in the folder.
    """
    journal = Journal(folder, plan, NullRun(), lambda _: None)
    todo, more = journal.unfinished()
    if todo or more or not journal.trials:
        return None
    with tempfile.TemporaryDirectory() as place:
        try:
            report = report_of(journal, 0, "", Path(place))
        except (InputError, Damaged, FileNotFoundError):
            return None
        drawn = [folder / figure.relative_to(place) for figure in report.figures]
    return replace(report, folder=folder, figures=[figure for figure in drawn if figure.is_file()])
