"""Further columns of samples, put beside what was measured of them."""

from collections.abc import Mapping

import numpy as np
import torch

from advcore.pipelines.claims import Tables
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.probes import Columns
from advcore.workers.datasets import Dataset
from advcore.workers.datasets.columns import Column, lacking

SAMPLE = "sample"
"""The column of samples' indices, by which columns of a data set find their rows."""


def with_sample_columns(prepared: Prepared, measured: Tables, problems: Problems) -> Tables:
    """Return tables with the further columns of the data sets that they were measured on.

    All tables of a probe have the same: where one's data set lacks a column, it is unknown. Tables
    without samples stay as they are, and so do a probe's, a problem, that has such a column itself.
    """
    return {
        probe: _of_probe(prepared, probe, by_label, problems)
        for probe, by_label in measured.items()
    }


def _of_probe(
    prepared: Prepared, probe: str, by_label: Mapping[str, Columns], problems: Problems
) -> Mapping[str, Columns]:
    data = {
        label: prepared.datasets[prepared.measurements[label, probe].planned.data]
        for label in by_label
    }
    known = {name: own for dataset in data.values() for name, own in dataset.columns.items()}
    if not known or not all(_are_of(columns, data[label]) for label, columns in by_label.items()):
        return by_label
    taken = [name for name in known if any(name in columns for columns in by_label.values())]
    if taken:
        problems.append(
            f"probe {probe}: its rows have columns {', '.join(taken)} of their own, so those of "
            "the data set are left out: give these other names"
        )
    return {
        label: {
            **columns,
            **{
                name: _beside(columns, data[label], name, own)
                for name, own in known.items()
                if name not in taken
            },
        }
        for label, columns in by_label.items()
    }


def _are_of(columns: Columns, dataset: Dataset) -> bool:
    """Return whether all rows are of samples of a data set."""
    return SAMPLE in columns and bool(np.isin(columns[SAMPLE], dataset.indices).all())


def _beside(
    columns: Columns, dataset: Dataset, name: str, known: Column
) -> torch.Tensor | list[str]:
    """Return a column of a data set for each row."""
    samples = np.asarray(columns[SAMPLE])
    if name in dataset.columns:
        order = np.argsort(dataset.indices)
        places = np.searchsorted(dataset.indices[order], samples)
        values = dataset.columns[name][order[places]]
    else:
        values = lacking(known, len(samples))
    return values.tolist() if values.dtype.kind == "U" else torch.from_numpy(values)
