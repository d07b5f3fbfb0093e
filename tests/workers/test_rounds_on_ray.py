"""Fits on Ray's actors: the bits of the inline ones, whoever goes away meanwhile."""

import pytest
from test_rounds import files, fit_bytes, run
from tiny_fits import Mean, rounds

from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA


def run_on_ray(location, own, dataset, workers, **settings):
    """Run a fit to its end on actors."""
    pool = RayPool(location, workers, **settings)
    return list(pool.run(own.released(), {DATA: dataset}, own.took))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_bits_as_inline(ray_running, dataset, store, tmp_path, workers):
    ray = str(tmp_path / "ray")
    run(store, rounds(dataset, Mean(), open_store(store)), dataset)
    own = rounds(dataset, Mean(), open_store(ray))
    results = run_on_ray(ray, own, dataset, workers)
    assert [one.ok for one in results] == [True] * 14
    assert own.finished.rounds == 2
    assert fit_bytes(ray) == fit_bytes(store)
    assert files(ray) == ["f00d.fit.safetensors"]
