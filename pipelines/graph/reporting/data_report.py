"""The derived data sets in a report: where they come from, their numbers, a gallery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from advcore.pipelines.graph.layout import DerivedData
from advcore.pipelines.graph.notation.members import by_family
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.galleries import data_gallery, origins, root_rows
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.pipelines.graph.reporting.settings_text import derived_line, how_derived
from advcore.pipelines.reports import tables
from advcore.pipelines.reports.escaping import in_markdown
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.reports.text import explanations, first_sentence
from advcore.probes import Summary
from advcore.workers.stores.store import Store

FOLDER = "data_sets"
"""The folder of the galleries of derived data sets, among the figures."""

MEANINGS = {
    "samples": "number of samples",
    "relabelled": "share of the samples whose label is not their root's",
    "found": "share of the samples for which what was looked for was found",
    "residual": "median distance left in the features that were to be reached, as a share of them",
    "distance": "median distance from the root where it was found, in the attack's norm and pixels",
}


@dataclass(frozen=True)
class DataReport:
    """The numbers of derived data sets by label and name, and their section in a report's text."""

    scalars: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    section: str = ""


def write_made_data(
    prepared: Prepared, store: Store, outputs: Outputs, problems: Problems
) -> DataReport:
    """Draw the galleries of the derived data sets; a family that fails is a problem."""
    scalars: dict[str, Mapping[str, float]] = {}
    sections = []
    for family, members in by_family(prepared.layout.derived).items():
        with problems.caught(f"data set {family}"):
            numbers = {own.label: _numbers(prepared, store, own) for own in members}
            sections.append(_section(prepared, outputs, family, members, numbers))
            scalars |= numbers
    return DataReport(scalars, "\n\n".join(["## Derived data sets", *sections]) if sections else "")


def _numbers(prepared: Prepared, store: Store, own: DerivedData) -> dict[str, float]:
    """Return the numbers of one data set; those of an attack are in the rows that it made."""
    dataset = prepared.datasets[own.label]
    numbers = {"samples": float(len(dataset))}
    if own.root != own.label and own.root in prepared.datasets:
        root = prepared.datasets[own.root]
        rows = root_rows(dataset, root)
        if rows is not None:
            numbers["relabelled"] = float(np.mean(root.labels[rows] != dataset.labels))
    return numbers | _numbers_of_rows(store, own.keys)


def _numbers_of_rows(store: Store, keys: Sequence[str]) -> dict[str, float]:
    """Return the numbers of samples that were made, as far as their rows tell."""
    parts = [store.read(key, ["found", "distance", "residual"]) for key in keys]
    told = {
        name: torch.cat([torch.as_tensor(part[name]) for part in parts])
        for name in (parts[0] if parts else ())
    }
    numbers = {}
    if "residual" in told:
        numbers["residual"] = told["residual"].double().median().item()
    if "found" in told:
        found = told["found"].bool()
        numbers["found"] = found.double().mean().item()
        if "distance" in told and found.any():
            numbers["distance"] = told["distance"][found].double().median().item()
    return numbers


def _section(
    prepared: Prepared,
    outputs: Outputs,
    family: str,
    members: Sequence[DerivedData],
    numbers: Mapping[str, Mapping[str, float]],
) -> str:
    gallery = data_gallery(family, prepared.layout, members, dict(prepared.datasets))
    drawn = [] if gallery is None else [gallery]
    figures = outputs.draw(f"figures/{FOLDER}", drawn, prepared.study.run.figure_kinds)
    summaries = {label: Summary(own, meanings=MEANINGS) for label, own in numbers.items()}
    names = list(dict.fromkeys(name for own in numbers.values() for name in own))
    line = derived_line(members).replace("`", " ")
    about = in_markdown(first_sentence(how_derived(members[0])))
    parts = [
        f"### {family}",
        f"{about} Settings: `{line}`.".strip(),
        in_markdown(f"Made of: {origins(prepared.layout, members)}."),
        tables.scalars(summaries, in_markdown),
        explanations(names, summaries),
        *(f"![{family}](figures/{FOLDER}/{figure.name})" for figure in figures),
    ]
    return "\n\n".join(part for part in parts if part)
