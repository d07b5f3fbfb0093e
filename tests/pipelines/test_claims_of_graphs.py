"""Claims of the example studies: read, one for each label, measured on rows of their members."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from advcore.pipelines.claims import Claim, check_labels, each_of
from advcore.pipelines.graph.notation.expansion import expand
from advcore.pipelines.settings import schema

STUDIES = Path(__file__).parent / "graph"
OWN_COLUMNS = {
    "vector": ["learnt", "best_control"],
    "directions": [10, 50],
    "false_positive": [0.01, 0.1],
}
"""Columns of the probes' and tables' own by which the claims choose."""


def rows_of(family, of):
    """Rows of a family: one for each member, own column and sample; a table has no samples."""
    random = np.random.default_rng(0)
    own = {name: held for name, held in OWN_COLUMNS.items() if name in of["where"]}
    samples = range(20) if family.section == "probes" else [None]
    rows = [
        {**dict.fromkeys(family.axes), **member.at, **dict(zip(own, labels, strict=True))}
        | ({} if sample is None else {"sample": sample})
        | {of["column"]: random.random()}
        for member in family.members.values()
        for labels in product(*own.values())
        for sample in samples
    ]
    return {name: column([row[name] for row in rows]) for name in rows[0]}


def column(values):
    if any(isinstance(value, str) for value in values):
        return ["" if value is None else str(value) for value in values]
    if any(value is None or isinstance(value, float) for value in values):
        return torch.tensor(
            [np.nan if value is None else value for value in values], dtype=torch.float64
        )
    return torch.tensor(values)


@pytest.mark.parametrize(
    ("study", "units"),
    [
        ("fig14", ["3 seeds, one number in each"]),
        ("fig5", ["3 seeds, 20 samples in each"] * 6),
        ("fig7", ["3 seeds, 20 samples in each"]),
        ("membership", ["one number, one seed"]),
        ("transfer_learning", ["5 seeds, 20 samples in each"] * 6),
    ],
)
def test_claims_of_the_example_studies_are_measured(study, units):
    document = yaml.safe_load((STUDIES / f"{study}.yaml").read_text())
    families, found = expand(document), {}
    for name, raw in document["claims"].items():
        of = raw["of"]
        key = ("probes", of["probe"]) if "probe" in of else ("tables", of["table"])
        family = families[key]
        axes = {
            axis: list(dict.fromkeys(member.at.get(axis) for member in family.members.values()))
            for axis in family.axes
        }
        tables = {key[1]: {"": rows_of(family, of)}}
        for label, given in each_of(name, raw, axes).items():
            claim = schema.structure(Claim, given)
            check_labels(f"claims.{label}", claim, axes)
            found[label] = claim.measure(tables)
    assert [own.unit.partition(";")[0] for own in found.values()] == units
    assert all(np.isfinite(own.value) for own in found.values())
