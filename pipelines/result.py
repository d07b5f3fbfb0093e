"""Studies from Python: what a study came to, as tables, numbers and figures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcore.pipelines.graph.documented_columns import columns_of
from advcore.pipelines.graph.expanded_layout import planned_of
from advcore.pipelines.graph.notation.members import Coordinates
from advcore.pipelines.graph.reporting.fit_report import fit_file
from advcore.pipelines.graph.reporting.replicates import charts_over_seeds
from advcore.pipelines.graph.reporting.report import RESULTS, table_file
from advcore.pipelines.graph.reporting.tables import rows_of
from advcore.pipelines.graph.running import driver
from advcore.pipelines.graph.settings import AnyStudy, GraphStudy, Study, read_study
from advcore.pipelines.reports.escaping import visible
from advcore.pipelines.settings.messages import joined, suggestion
from advcore.pipelines.settings.study_checks import check_study
from advcore.probes import Columns
from advcore.workers.errors import InputError
from advcore.workers.redaction import last_line
from advcore.workers.stores.rows import read_table, to_columns

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from pandas import DataFrame

_NUMBERS = {"inf", "-inf", "nan"}


class IncompleteError(RuntimeError):
    """A study of which a part could not be measured or summarised; `result` holds the rest."""

    def __init__(self, message: str, result: "Result") -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Result:
    """The results of a study, read from its folder of results.

    Attributes:
        folder: the study's folder, a path or a text: results.json, report.md, study.yaml, tables,
            figures.

    Raises InputError for a folder that holds no results.
    """

    folder: Path

    def __post_init__(self) -> None:
        folder = Path(self.folder)
        object.__setattr__(self, "folder", folder)
        if not (folder / RESULTS).is_file():
            raise InputError(f"{folder} holds no {RESULTS}: run the study there")

    @cached_property
    def study(self) -> AnyStudy:
        """The study with every default filled in; in the old form with its trained models."""
        return read_study(self.folder / "study.yaml")

    @property
    def scalars(self) -> dict[str, dict[str, dict[str, float]]]:
        """The single numbers, by probe, model and name."""
        return self._part("scalars")

    @property
    def curves(self) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
        """The curves, by probe, model and name.

        Each has `x` and `y`, and `columns` if `y` fills a plane row by row.
        """
        return self._part("curves")

    @property
    def meanings(self) -> dict[str, dict[str, dict[str, str]]]:
        """The meaning of each scalar and curve, with its unit, by probe, model and name."""
        return self._part("meanings")

    @property
    def claims(self) -> dict[str, dict[str, Any]]:
        """The claims by name.

        Each has says, value, low and high (95 %), expected, verdict, resampled, warnings;
        `not_measured` in place of the numbers says why there are none.
        """
        return self._part("claims")

    @property
    def warnings(self) -> dict[str, dict[str, str]]:
        """The sentences of all warnings, by name, then by place."""
        return self._part("warnings")

    def table(self, probe: str) -> "DataFrame":
        """Return the rows of a probe, those of all models below one another.

        The columns are `model`, `sample`, and the probe's own. `attrs["columns"]` says what these
        are, `attrs["meanings"]` what the probe's scalars and curves are, with their units.

        Raises InputError for a probe that has no rows.
        """
        import pandas as pd

        frames = [
            pd.DataFrame({"model": model, **{name: _plain(own) for name, own in columns.items()}})
            for model, columns in self._columns(probe).items()
        ]
        if not frames:
            raise InputError(f"probe {probe} has no rows in {self.folder}")
        table = pd.concat(frames, ignore_index=True)
        by_model = self.meanings.get(probe, {}).values()
        table.attrs["meanings"] = {name: text for own in by_model for name, text in own.items()}
        planned = next(own for own in planned_of(self.study) if own.probe == probe)
        table.attrs["columns"] = columns_of(planned.settings)
        return table

    def fit(self, name: str, /, **at: str | int | float) -> dict[str, "np.ndarray"]:
        """Return the tensors of a fit by name, as numpy arrays.

        A member of a family is named by its coordinates: `fit("uap", net="lenet", seed=0)`.

        Raises InputError for what names no fit or several, and for one that was not learnt.
        """
        import safetensors.numpy

        families = self.study.families if isinstance(self.study, GraphStudy) else {}
        known = [own for section, own in families if section == "fits"]
        if name not in known:
            raise InputError(
                f"the study has no fit {name!r}{suggestion(name, known)}; it has: "
                f"{joined(known) or 'none'}"
            )
        members = list(families["fits", name].members.values())
        chosen = [own for own in members if _is_at(own.at, at)]
        if len(chosen) != 1:
            labels = joined(own.label for own in members)
            count = "none" if not chosen else f"{len(chosen)}"
            raise InputError(
                f"expected the coordinates of one fit {name}, got those of {count}: there are "
                f"{labels}"
            )
        file = fit_file(self.folder, chosen[0].label)
        if not file.is_file():
            raise InputError(f"fit {chosen[0].label} is not in {self.folder}: run the study there")
        return safetensors.numpy.load_file(file)

    def figure(self, probe: str, chart: str | None = None, head: bool = True) -> "Figure":
        """Return a chart of a probe, its first one unless named, as a matplotlib figure of its own.

        Without `head` the title and the note below it are left off, for a figure of another size
        or with a caption of its own. Raises InputError for a name that is not there.
        """
        from advcore.pipelines.reports import figures

        tables = self._columns(probe)
        planned = [own for own in planned_of(self.study) if own.probe == probe]
        members = [(own, rows_of(own, tables[own.table])) for own in planned if own.table in tables]
        drawn = charts_over_seeds(probe, members)
        charts = {own.name: own for own in drawn}
        chart = next(iter(charts), None) if chart is None else chart
        if chart not in charts:
            known = ", ".join(charts) or "none"
            raise InputError(f"probe {probe} draws no chart {chart!r}; it draws: {known}")
        own = charts[chart]
        return figures.draw(own if head else replace(own, title="", note=""))

    @cached_property
    def _numbers(self) -> dict[str, Any]:
        numbers: dict[str, Any] = json.loads((self.folder / RESULTS).read_text("utf-8"))
        return numbers

    def _part(self, name: str) -> Any:
        return _with_numbers(self._numbers[name])

    def _columns(self, probe: str) -> dict[str, Columns]:
        """Return the tables of a probe by name. Raises InputError for an unknown probe."""
        if probe not in self.study.probes:
            known = ", ".join(self.study.probes)
            raise InputError(f"the study has no probe {probe!r}; it has: {known}")
        names = dict.fromkeys(own.table for own in planned_of(self.study) if own.probe == probe)
        paths = {name: self.folder / table_file(probe, name) for name in names}
        return {
            name: to_columns([str(path)], [read_table(path)])
            for name, path in paths.items()
            if path.is_file()
        }


def run(study: AnyStudy, verbose: bool = False) -> Result:
    """Measure what is missing of a study, as `advcore run` does, and return all that it came to.

    Models that the study trains are trained first; what is in the store is not measured again; an
    interrupted study goes on where it was. Raises InputError before any work for what cannot work,
    and IncompleteError, which holds the rest as `result`, where shards or probes failed.
    """
    check_study(study, GraphStudy if isinstance(study, GraphStudy) else Study)
    report = driver.run_study(study, verbose)
    result = Result(report.folder)
    if report.failures or report.problems:
        lines = [f"{own.name}: {last_line(own.error)}" for own in report.failures]
        lines += [problem.splitlines()[0] for problem in report.problems]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        raise IncompleteError(visible(f"{study.name} is not complete: {lines[0]}{more}"), result)
    return result


def _is_at(own: Coordinates, wanted: Coordinates) -> bool:
    """Return whether coordinates have the wanted labels, which may be given as texts."""
    return all(axis in own and str(own[axis]) == str(label) for axis, label in wanted.items())


def _plain(values: Any) -> Any:
    """A column as pandas takes it: rows of vectors become lists."""
    if isinstance(values, list):
        return values
    array = values.numpy()
    return array if array.ndim == 1 else list(array)


def _with_numbers(value: Any) -> Any:
    """Return parsed JSON in which the words of numbers that JSON lacks are numbers again."""
    if isinstance(value, Mapping):
        return {name: _with_numbers(own) for name, own in value.items()}
    if isinstance(value, list):
        return [_with_numbers(own) for own in value]
    return float(value) if isinstance(value, str) and value in _NUMBERS else value
