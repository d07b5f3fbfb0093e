"""The fits in a report: their numbers, their convergence, their tensors as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from advcore.fits import Fit, FitState, Warns
from advcore.pipelines.graph.layout import PlannedFit
from advcore.pipelines.graph.notation.members import by_family
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.fit_charts import (
    FinishedFit,
    convergence_charts,
    drawn_part,
    fit_gallery,
    rounds_axis,
)
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.pipelines.graph.reporting.settings_text import settings_line
from advcore.pipelines.reports.escaping import in_markdown
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.reports.tables import format_number, markdown
from advcore.pipelines.reports.text import first_sentence
from advcore.pipelines.settings.names import file_stem
from advcore.probes import Chart, Curve
from advcore.workers.errors import InputError
from advcore.workers.fit_files import FINISHED, read_finished
from advcore.workers.stores.store import Store

FOLDER = "fits"
"""The folder of the files of fits, beside the report, and that of their figures."""


@dataclass(frozen=True)
class ReportedFit:
    """A fit as the report shows it.

    Attributes:
        planned: the fit.
        rounds: number of rounds that it took.
        numbers: last value of all that it told, by name.
        curves: what it told more than once, over rounds or passes over the samples.
        file: its tensors, beside the report.
        figures: figures of its family.
        warnings: what may mislead in what it learnt, a sentence by name.
    """

    planned: PlannedFit
    rounds: int
    numbers: Mapping[str, float]
    curves: Mapping[str, Curve]
    file: Path
    figures: Sequence[Path]
    warnings: Mapping[str, str]


@dataclass(frozen=True)
class FitsReport:
    """The fits of a report by label, and their section in its text, empty where there is none."""

    fits: Mapping[str, ReportedFit] = field(default_factory=dict)
    section: str = ""


def fit_file(folder: Path, label: str) -> Path:
    """Return the file of a fit's tensors in a study's folder."""
    return folder / FOLDER / f"{file_stem(label)}.safetensors"


def write_fits(
    prepared: Prepared, store: Store, outputs: Outputs, problems: Problems
) -> FitsReport:
    """Write the files and figures of the fits; a family whose code fails is a problem."""
    fits: dict[str, ReportedFit] = {}
    sections = []
    for family, members in by_family(prepared.layout.fits).items():
        with problems.caught(f"fit {family}"):
            found = _write_family(prepared, store, outputs, family, members)
            sections.append(_section(prepared, family, found))
            fits |= {own.planned.label: own for own in found}
    return FitsReport(fits, "\n\n".join(["## Fits", *sections]) if sections else "")


def _write_family(
    prepared: Prepared, store: Store, outputs: Outputs, family: str, members: Sequence[PlannedFit]
) -> list[ReportedFit]:
    finished, files, warnings = [], [], []
    for own in members:
        state = read_finished(store, own.key)
        file = outputs.path(f"{FOLDER}/{fit_file(Path(), own.label).name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        if state is None or not store.fetch(own.key, FINISHED, file):
            raise InputError(f"fit {own.label} is no longer in the store: run the study again")
        finished.append(FinishedFit(own, drawn_part(state)))
        files.append(file)
        warnings.append(_warnings(own.settings, state))
    charts: list[Chart] = [*convergence_charts(family, finished)]
    shapes = [prepared.datasets[own.data].shape for own in members]
    pictures = fit_gallery(family, list(zip(finished, shapes, strict=True)))
    charts += [] if pictures is None else [pictures]
    figures = outputs.draw(f"figures/{FOLDER}", charts, prepared.study.run.figure_kinds)
    return [
        _reported(own, file, figures, told)
        for own, file, told in zip(finished, files, warnings, strict=True)
    ]


def _warnings(fit: Fit, state: FitState) -> Mapping[str, str]:
    return fit.warnings(state.tensors) if isinstance(fit, Warns) else {}


def _reported(
    own: FinishedFit, file: Path, figures: Sequence[Path], warnings: Mapping[str, str]
) -> ReportedFit:
    told = {name: values for name, values in own.state.history.items() if values}
    curves = {
        name: Curve(rounds_axis(own, name)[1], values)
        for name, values in told.items()
        if len(values) > 1
    }
    numbers = {name: values[-1] for name, values in told.items()}
    return ReportedFit(own.planned, own.state.rounds, numbers, curves, file, figures, warnings)


def _section(prepared: Prepared, family: str, fits: Sequence[ReportedFit]) -> str:
    settings = settings_line([own.planned.settings for own in fits], Fit).replace("`", " ")
    about = in_markdown(first_sentence(fits[0].planned.settings))
    names = list(dict.fromkeys(name for own in fits for name in own.numbers))
    rows = [
        [
            in_markdown(own.planned.label),
            in_markdown(own.planned.network),
            in_markdown(own.planned.data),
            f"[{own.file.name}]({FOLDER}/{own.file.name})",
            str(len(prepared.datasets[own.planned.data])),
            str(own.rounds),
            *(format_number(own.numbers.get(name, float("nan"))) for name in names),
        ]
        for own in fits
    ]
    head = ["fit", "network", "data", "tensors", "samples", "rounds", *map(in_markdown, names)]
    figures = [
        f"![{family}, {figure.stem}](figures/{FOLDER}/{figure.name})" for figure in fits[0].figures
    ]
    numbers = "Each number is the last that the fit told." if names else ""
    warnings = [
        f"- **warning**, {in_markdown(own.planned.label)}, {in_markdown(name)}: "
        f"{in_markdown(sentence)}"
        for own in fits
        for name, sentence in own.warnings.items()
    ]
    parts = [
        f"### {family}",
        f"{about} Settings: `{settings}`.".strip(),
        "\n".join(warnings),
        markdown(head, rows, left=4),
        numbers,
        *figures,
    ]
    return "\n\n".join(part for part in parts if part)
