"""Further columns of samples in the tables and the claims of a study."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from advcore.pipelines.claims.each import each_of
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError

COUNT = 24
GROUP = np.array(["a", "b"])[np.arange(COUNT) % 2]
CLAIM = {"kind": "level", "says": "so", "at_least": 0}


def study(folder: Path, columns: list[str], **changes: Any) -> GraphStudy:
    archive = folder / "people.npz"
    if not archive.exists():
        images = np.random.default_rng(0).uniform(size=(COUNT, 1, 4, 4))
        images[GROUP == "b"] = images[GROUP == "b"] / 4 + 0.75
        np.savez(archive, images=images, labels=np.arange(COUNT) % 3, group=GROUP)
    network = {"architecture": "perceptron", "arguments": {"side": 4}, "classes": 3}
    margins = {"probe": "margins", "column": "distance"}
    return schema.structure(
        GraphStudy,
        {
            "name": "groups",
            "data_sets": {
                "people": {"name": f"npz:{archive}", "columns": columns},
                "other": {"name": "digits", "samples": 5},
                "attacked": {
                    "kind": "adversarial",
                    "of": "people",
                    "model": "plain",
                    "attack": {"kind": "pgd", "norm": "l2", "eps": 0.5, "steps": 2},
                },
                "some": {"kind": "half", "of": "attacked", "out_of": 2, "number": 0},
            },
            "models": {"plain": network},
            "probes": {
                "margins": {
                    "kind": "margins",
                    "model": "plain",
                    "data": ["people", "some"],
                    "family": {"kind": "random", "count": 1, "dim": 16},
                    "attack": {"kind": "minimal_norm", "norm": "l2", "box": False, "descent": 5},
                }
            },
            "tables": {
                "of_a": {
                    "kind": "mean",
                    "of": "margins",
                    "column": "distance",
                    "where": {"group": "a"},
                }
            },
            "claims": {
                "of_b": {**CLAIM, "of": {**margins, "where": {"data": "people", "group": "b"}}},
                "of_each": {
                    **CLAIM,
                    "of": {**margins, "where": {"data": "some"}},
                    "each": {"group": ["a", "b"]},
                },
                "apart": {
                    "kind": "permutation",
                    "says": "apart",
                    "of": {**margins, "where": {"data": "people"}},
                    "by": "group",
                },
                **changes,
            },
            "run": {
                "out": str(folder / "out"),
                "track": False,
                "threads": 1,
                "figures": "none",
                "shard_size": 10,
            },
        },
    )


def test_tables_and_claims_see_the_groups_of_the_root_samples(tmp_path: Path) -> None:
    report = run_study(study(tmp_path, ["group"]))
    assert report.problems == []
    table = pq.read_table(tmp_path / "out" / "groups" / "tables" / "margins" / "plain.parquet")
    rows = table.to_pydict()
    assert {*rows["data"]} == {"people", "some"}
    assert rows["group"] == GROUP[rows["sample"]].tolist()
    distance = np.array(rows["distance"])
    chosen = (np.array(rows["data"]) == "people") & (np.array(rows["group"]) == "b")
    middle = np.quantile(distance[chosen], 0.5, method="lower")
    assert {*report.claims} == {"of_b", "of_each group=a", "of_each group=b", "apart"}
    assert report.claims["of_b"].value == pytest.approx(middle)
    assert "permutation p" in report.claims["apart"].unit
    of = {"probe": "margins", "column": "distance", "where": {"data": "some"}}
    again = run_study(study(tmp_path, [], of_each={**CLAIM, "of": of}))
    assert again.measured == 0  # no key hangs on the columns
    assert again.found == report.found + report.measured
    assert "probe margins has no column 'group'" in again.claims["of_b"]


def test_labels_of_a_column_must_be_listed() -> None:
    claim = {"of": {}, "each": "group"}
    with pytest.raises(InputError, match=r"not known yet: list .* each: \{group: \[...\]\}"):
        each_of("own", claim, {"net": ["a"]}, ["group"])
    with pytest.raises(InputError, match="there is no axis 'age'; known: net, group"):
        each_of("own", {"of": {}, "each": {"age": [1]}}, {"net": ["a"]}, ["group"])


def test_a_value_that_no_sample_has_is_told(tmp_path: Path) -> None:
    of = {"probe": "margins", "column": "distance", "where": {"data": "people", "group": "z"}}
    report = run_study(study(tmp_path, ["group"], of_z={**CLAIM, "of": of}))
    assert "group has a, b" in report.claims["of_z"]


def test_an_axis_and_a_column_cannot_share_a_name(tmp_path: Path) -> None:
    own = study(tmp_path, ["group"])
    document = schema.unstructure(own)
    document["axes"] = {"group": [1, 2]}
    document["probes"]["margins"]["attack"]["descent"] = "$group"
    document["claims"] = {}
    with pytest.raises(InputError, match="a column of samples has the name of the axis 'group'"):
        describe_dry_run(schema.structure(GraphStudy, document))
