"""Probes of a few drawn samples: shards that hold none of them are no tasks."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from studies import study_of

from advcore.pipelines import run
from advcore.pipelines.graph.plan import prepare


def study(out, count, **run_settings):
    document = {
        "name": "few",
        "models": {"plain": {"architecture": "perceptron"}},
        "data": {"name": "digits", "samples": 12},
        "probes": {
            "curvature": {"kind": "curvature", "count": count, "top": 1},
            "accuracy": {"kind": "accuracy"},
        },
    }
    settings = {"out": str(out), "track": False, "threads": 1, "figures": "none"}
    return study_of(document, **settings, **run_settings)


@pytest.mark.parametrize("count", [1, 2, None])
def test_shards_without_a_drawn_sample_are_left_out(tmp_path, count):
    measured = prepare(study(tmp_path, count, shard_size=3)).measurements
    places = measured["plain", "curvature"].seen.places.reshape(4, 3)
    asked = [count is None or (own < count).any() for own in places]
    tasks = measured["plain", "curvature"].tasks
    assert [task.shard.start for task in tasks] == [3 * n for n in range(4) if asked[n]]
    assert len(measured["plain", "curvature"].keys) == 4  # as the study's id has had them
    assert len(measured["plain", "accuracy"].tasks) == 4


def test_the_rows_are_those_of_the_drawn_samples(tmp_path):
    tables = []
    for name, size in (("whole", 12), ("parts", 3)):
        own = study(tmp_path / name, 2, shard_size=size)
        run(own)
        (file,) = (tmp_path / name / "few/tables/curvature").glob("*.parquet")
        tables.append(pq.read_table(file).to_pandas())
    seen = prepare(own).measurements["plain", "curvature"].seen
    for table in tables:
        assert table["sample"].tolist() == np.sort(seen.indices[seen.places < 2]).tolist()
    np.testing.assert_allclose(*(table["gradient_norm"] for table in tables), rtol=1e-4)
