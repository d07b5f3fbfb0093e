"""What breaks on a cluster: `advcore run` on several Ray nodes of this machine, whose processes are
taken away under it.

After each: every row is there, none twice, all equal bit for bit to those of an undisturbed run in
one process.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driver import Driver, add, nodes, pid_of, workers_of
from mlflow_server import serving
from small_disk import fill, mounted

from advcore.counts import counted
from advcore.workers.stores.store import open_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with nodes() as own:
        yield own


@pytest.fixture
def driver(cluster: Any, tmp_path: Path) -> Driver:
    return Driver(tmp_path, cluster)


def test_an_actor_killed_in_the_middle_of_a_shard(driver: Driver) -> None:
    driver.deed("hang-20-once")
    process = driver.start()
    driver.until(lambda: bool(driver.tries(20)), process)
    os.kill(pid_of(driver.tries(20)[0]), signal.SIGKILL)
    told = driver.end(process)
    assert "1 workers lost" in told
    assert len(driver.tries(20)) == 2
    assert "12 shards measured, 0 of 12 found" in told
    driver.check()


def test_a_node_removed_and_another_added(driver: Driver) -> None:
    cluster = driver.cluster
    driver.study["probes"]["look"]["seconds"] = 6.0
    process = driver.start("--workers", "4")
    driver.until(lambda: len(workers_of(driver)) == 4, process)
    cluster.remove_node(
        sorted(cluster.worker_nodes, key=lambda node: node.node_id)[0], allow_graceful=False
    )
    add(cluster)
    driver.end(process)
    assert len({pid_of(path) for path in driver.tries()}) > 4
    driver.check()


def test_the_driver_killed_and_started_again(driver: Driver) -> None:
    """It goes on, in the same MLflow run, and measures what was left."""
    from mlflow import MlflowClient

    process = driver.tracked_and_begun()
    process.kill()
    process.communicate()
    told = driver.end(driver.start())
    assert "of 12 found in the store" in told
    assert int(re.findall(r"(\d+) shards? measured", told)[0]) <= 8
    client = MlflowClient(f"sqlite:///{driver.place / 'out' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("advcore").experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["faults", "one/look"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    driver.study["run"]["track"] = False
    driver.check()


def test_the_driver_ended_by_a_signal(driver: Driver) -> None:
    """SIGTERM: its rows are kept, nothing is left running in MLflow, and the same command goes
    on.
    """
    from mlflow import MlflowClient

    process = driver.tracked_and_begun()
    process.terminate()
    told = driver.end(process, status=130, seconds=60)
    assert "advcore: interrupted; finished shards are in the store" in told
    assert "Traceback" not in told
    assert len(driver.rows("out")) >= 4
    client = MlflowClient(f"sqlite:///{driver.place / 'out' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("advcore").experiment_id
    assert {run.info.status for run in client.search_runs([experiment])} == {"KILLED"}
    assert "of 12 found in the store" in driver.end(driver.start())
    assert {run.info.status for run in client.search_runs([experiment])} == {"FINISHED"}
    driver.study["run"]["track"] = False
    driver.check()


def test_a_shard_that_always_fails(driver: Driver) -> None:
    """Its traceback and its samples are told, the rest is finished, the status says partial, and
    the next run tries it alone.
    """
    driver.study["run"]["track"] = True
    driver.deed("fail-9")
    told = driver.end(driver.start(), status=1)
    assert "ArithmeticError: place 8 cannot be measured" in told
    assert "1 shard failed" in told
    assert len(driver.tries(8)) == 2
    (failures,) = (driver.place / "out").rglob("failures.txt")
    words = failures.read_text()
    assert "faulty.py" in words
    assert "Traceback" in words
    rows = next(iter(driver.rows("out").values()))
    samples, _, tries = words.split("samples ")[1].split("\n")[0].rpartition(", ")
    assert tries == "handed out 2 times"
    assert len(samples.replace("-", ", ").split(", ")) >= 2
    assert not set(samples.split(", ")) & {str(int(index)) for index in rows["sample"]}
    assert samples in told
    (driver.deeds / "fail-9").unlink()
    assert "1 shard measured, 11 of 12 found" in driver.end(driver.start())
    driver.study["run"]["track"] = False
    driver.check()


def test_memory_that_runs_out(driver: Driver) -> None:
    driver.deed("memory-20")
    driver.end(driver.start())
    store = open_store(str(driver.place / "out/store"))
    parts = [store.metadata(key)["parts"] for key in driver.rows("out")]
    assert "2" in parts
    assert set(parts) <= {"1", "2"}
    driver.check(tolerance=1e-5)


def test_a_straggler_is_overtaken(driver: Driver) -> None:
    """The shard of a worker that dawdles is measured by an idle one, and counted once."""
    driver.deed("hang-44-once")
    begun = time.monotonic()
    told = driver.end(driver.start())
    assert time.monotonic() - begun < 170
    assert "1 late shards measured twice" in told
    assert len(driver.tries(44)) == 2
    assert "12 shards measured, 0 of 12 found" in told
    driver.check()


@pytest.mark.parametrize("deed", ["hang", "stop"])
def test_a_worker_that_hangs_is_replaced(driver: Driver, deed: str) -> None:
    """Asleep, or stopped altogether: the shard is measured by another one."""
    driver.deed(f"{deed}-4-once")
    driver.study["probes"]["look"]["seconds"] = (
        2.5  # so that it is ended before idle workers overtake it
    )
    process = driver.start("--shard-seconds", "15")
    driver.until(lambda: bool(driver.tries(4)), process)
    hanging = pid_of(driver.tries(4)[0])
    try:
        assert "1 workers ended at the time limit" in driver.end(process)
        assert gone(hanging)
    finally:
        if Path(f"/proc/{hanging}").exists():
            os.kill(hanging, signal.SIGKILL)
    driver.check()


def gone(pid: int) -> bool:
    """Whether a process ends within half a minute."""
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not Path(f"/proc/{pid}").exists()


def test_a_shard_that_always_hangs_is_given_up(driver: Driver) -> None:
    driver.deed("hang-4")
    told = driver.end(driver.start("--shard-seconds", "10"), status=1)
    assert "took longer than run.shard_seconds, 10 s, 2 times" in told
    assert "1 shard failed" in told
    driver.check(missing=1)


def test_as_many_workers_as_the_cluster_holds_and_more_as_it_grows(driver: Driver) -> None:
    driver.study["probes"]["look"]["seconds"] = 2.0
    process = driver.start("--workers", "auto", "--threads", "2")
    driver.until(lambda: len(workers_of(driver)) == 2, process)
    node = add(driver.cluster)
    driver.until(lambda: len(workers_of(driver)) == 3, process)
    driver.cluster.remove_node(node, allow_graceful=False)
    driver.end(process)
    driver.check()


def test_two_drivers_at_once(driver: Driver) -> None:
    driver.study["probes"]["look"]["seconds"] = 3.0  # the second one has to come in time
    first = driver.start()
    driver.until(lambda: driver.stored() >= 1, first)
    assert re.search(
        "study faults in .* is in use by process [0-9]+ on",
        driver.end(driver.start(), status=2),
    )
    assert "12 shards measured, 0 of 12 found" in driver.end(first)
    driver.check()


def test_a_disk_that_is_full(driver: Driver) -> None:
    with mounted(driver.place / "out") as disk:
        process = driver.start()
        driver.until(lambda: driver.stored() >= 3, process)
        ballast = fill(disk)
        told = driver.end(process, status=1)
        assert "no space is left to store the rows of one/look" in told
        assert "finished shards are in the store, and the same command goes on" in told
        kept = driver.stored()
        assert 3 <= kept < 12
        ballast.unlink()
        measured = counted(12 - kept, "shard")
        assert f"{measured} measured, {kept} of 12 found" in driver.end(driver.start())
        driver.check()


def test_mlflow_goes_away_and_comes_back(driver: Driver, folder: Path) -> None:
    with serving(folder) as server:
        driver.study["run"] |= {"track": True, "tracking_uri": server.uri, "tracking_wait": 120.0}
        process = driver.start()
        driver.until(lambda: driver.stored() >= 2, process)
        server.signal(signal.SIGSTOP)
        driver.until(lambda: driver.stored() == 12, process)
        assert process.poll() is None
        server.signal(signal.SIGCONT)
        assert "12 shards measured, 0 of 12 found" in driver.end(process)
        assert {run.info.status for run in server.runs()} == {"FINISHED"}
        assert len(server.runs()) == 2
    driver.study["run"] = driver.study["run"] | {"track": False}
    driver.check()
