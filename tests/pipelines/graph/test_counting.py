"""A study whose shards are ranges of blocks of noise."""

import pyarrow.parquet as pq

from advcore.pipelines import run
from advcore.pipelines.graph.running.dry_run import describe_dry_run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema


def study(out, shard_size):
    document = {
        "name": "counts",
        "data_sets": {"test": {"name": "digits", "samples": 6}},
        "models": {"plain": {"architecture": "perceptron", "arguments": {"width": 8}}},
        "probes": {
            "counts": {
                "kind": "noise_counts",
                "draws": 300,
                "block_draws": 100,
                "model": "plain",
                "data": "test",
            },
        },
        "claims": {
            "first_block_right": {
                "kind": "level",
                "of": {"probe": "counts", "column": "right", "where": {"block": 0}},
                "at_least": 0.0,
                "says": "some draws of the first block are right",
            },
        },
        "run": {"out": str(out), "track": False, "threads": 1, "shard_size": shard_size},
    }
    return schema.structure(GraphStudy, document)


def rows(out):
    (file,) = (out / "counts" / "tables").rglob("*.parquet")
    return pq.read_table(file).to_pydict()


def test_a_study_measures_blocks_and_reports_samples(tmp_path):
    small = study(tmp_path / "a", 5)
    assert "4 of 4 shards" in describe_dry_run(small)
    run(small)
    assert "0 of 4 shards" in describe_dry_run(small)
    table = rows(tmp_path / "a")
    assert table["block"] == [0, 1, 2] * 6
    assert len(set(table["sample"])) == 6
    assert [sum(own) for own in table["counts"]] == [100] * 18
    run(study(tmp_path / "b", 64))
    other = rows(tmp_path / "b")
    assert {name: other[name] for name in table} == table
    text = (tmp_path / "a" / "counts" / "report.md").read_text()
    assert "accuracy_under_noise" in text
    assert "some draws of the first block are right" in text
