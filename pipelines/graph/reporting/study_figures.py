"""The figures of a study's section `figures`: drawn from the tables of all members."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from advcore.pipelines.claims import Tables
from advcore.pipelines.graph.layout import PlannedFigure
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.pipelines.reports.escaping import in_markdown
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.settings.runs import RunSettings

FOLDER = "figures/study"
"""The folder of these figures in a report."""


@dataclass(frozen=True)
class StudyFigures:
    """The files of the figures, and their section of the text, empty where there are none."""

    files: list[Path] = field(default_factory=list)
    section: str = ""


def write_study_figures(
    figures: Sequence[PlannedFigure],
    outputs: Outputs,
    tables: Tables,
    run: RunSettings,
    problems: Problems,
) -> StudyFigures:
    """Draw the figures; one whose numbers are not there is left out, and a problem."""
    files, parts = list[Path](), list[str]()
    for own in figures if run.figure_kinds else ():
        first = next(iter(own.series.values()))
        with problems.caught(f"figure {own.name}"):
            chart = first.chart(own.name, own.series, tables)
            files += outputs.draw(FOLDER, [chart], run.figure_kinds)
            parts.append(f"![{in_markdown(chart.title)}]({FOLDER}/{files[-1].name})")
    return StudyFigures(files, "\n\n".join(["## Figures", *parts]) if parts else "")
