"""On a cluster of its own, in a process of its own: fractions of a GPU, and processes that wait for
the next run.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

START = """
import sys, time
from pathlib import Path
from advcore.workers.pool.preconditions import prepare_environment, private_token

prepare_environment(local=True)
private_token()
import ray
from ray.cluster_utils import Cluster

def own(**node):
    head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 2**27, **node}
    return Cluster(initialize_head=True, head_node_args=head)

def until(done, seconds=90):
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert done()
"""

HALVES = """
from advcore.workers.pool import ray_actor

class Empty:  # no worker of ours, which would look for a real GPU
    def __init__(self, *settings):
        pass
    def ready(self):
        return ray.get_runtime_context().get_accelerator_ids()["GPU"]

ray_actor._actor_class = lambda: Empty
cluster = own(num_gpus=1, num_cpus=4)
try:
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    start_actor = ray_actor.actor_factory(ray, "unused", threads=1, gpus=0.5)
    actors = [start_actor() for _ in range(3)]
    signs = [actor.ready.remote() for actor in actors]
    placed, waiting = ray.wait(signs, num_returns=2, timeout=90)
    assert ray.get(placed) == [["0"], ["0"]]
    assert ray.wait(waiting, timeout=5) == ([], waiting), "a third half of a GPU was given"
    ray.kill(actors[signs.index(placed[0])])
    assert ray.get(waiting[0], timeout=90) == ["0"]
finally:
    ray.shutdown()
    cluster.shutdown()
"""

WAITING = """
from ray.thirdparty_files import psutil
from tiny_probes import Slow, tasks
from advcore.workers.datasets import DataSpec, load
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.tasks import DATA

cluster = own()
def words(process):
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []

def idle():
    raylet = psutil.Process(cluster.head_node.all_processes["raylet"][0].process.pid)
    return {child.pid for child in raylet.children() if "ray::IDLE" in " ".join(words(child))}
try:
    until(lambda: len(idle()) == 2)
    first = idle()
    dataset = load(DataSpec("digits", "test", 12))
    pool = RayPool(sys.argv[1], workers=2, address=cluster.address)
    outcomes = list(pool.run(tasks(dataset, Slow(), size=1), {DATA: dataset}))
    assert all(outcome.ok for outcome in outcomes), outcomes
    assert {int(outcome.worker.split(":")[1]) for outcome in outcomes} <= first
    until(lambda: len(idle() - first) == 2)
finally:
    cluster.shutdown()
"""


def done(script: str, *arguments: str, **environment: str) -> None:
    paths = [
        str(Path(__file__).parent),
        str(Path(__file__).parents[2]),
        *filter(None, [os.environ.get("PYTHONPATH")]),
    ]
    process = subprocess.run(
        [sys.executable, "-c", START + script, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr


def test_two_workers_share_a_gpu_and_a_third_waits() -> None:
    done(HALVES)


def test_as_many_processes_wait_after_a_run_as_before_it(tmp_path: Path) -> None:
    done(
        WAITING,
        str(tmp_path),
        RAY_preload_python_modules="advcore.workers.pool.preloaded",
        RAY_enable_worker_prestart="1",
    )
