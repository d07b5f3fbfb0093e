"""A disk that is full while a study runs: nothing damaged, one line, status 1; with space again the
same command completes it.
"""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from small_disk import fill, mounted
from studies import stored

from advcore.pipelines.cli import main
from advcore.pipelines.graph.reporting import report_files
from advcore.pipelines.reports import outputs
from advcore.workers.actor import Worker
from advcore.workers.errors import is_full


@pytest.fixture(autouse=True)
def _twelve_shards(study_file: Path, tiny: dict[str, Any]) -> None:
    tiny["probes"] = {
        "curvature": tiny["probes"]["curvature"],
        "margins": tiny["probes"]["margins"],
    }
    study_file.write_text(yaml.safe_dump(tiny))


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    with mounted(place / "out") as folder:
        yield folder


def after_shards(count: int, act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something once so many shards were measured."""
    whole, done = Worker.measure, 0

    def measure(self: Worker, *arguments: Any) -> Any:
        nonlocal done
        done += 1
        if done == count + 1:
            act()
        return whole(self, *arguments)

    monkeypatch.setattr(Worker, "measure", measure)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith(("advcore: ", "Traceback"))
    ]
    assert len(lines) == 1, lines
    return lines[0]


def test_a_store_without_space(
    study_file: Path,
    small_disk: Path,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", str(study_file), "--out", "undisturbed"]) == 0
    undisturbed = {
        path.name: pq.read_table(path) for path in (place / "undisturbed/store").rglob("*.parquet")
    }
    capsys.readouterr()
    with monkeypatch.context() as patch:
        after_shards(5, lambda: fill(small_disk), patch)
        assert main(["run", str(study_file)]) == 1
    line = one_line(capsys)
    assert "no space is left to store the rows of" in line
    assert (
        "5 of 12 shards were measured and are kept; free some: finished shards are in the "
        "store, and the same command"
    ) in line
    assert len(stored(place)) == 5
    assert not [path for path in (small_disk / "store").rglob(".*") if path.name != ".locks"]
    (small_disk / "ballast").unlink()
    assert main(["run", str(study_file)]) == 0
    assert "7 shards measured, 5 of 12 found" in capsys.readouterr().out
    again = {path.name: pq.read_table(path) for path in (small_disk / "store").rglob("*.parquet")}
    assert again.keys() == undisturbed.keys()
    assert all(again[name].equals(table) for name, table in undisturbed.items())


def test_results_without_space(
    study_file: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["run", str(study_file), "--figures", "png"]
    assert main(command) == 0
    report_before = (small_disk / "tiny/report.md").read_text()
    (small_disk / "tiny/figures/margins/margins.png").unlink()
    ballast = fill(small_disk)
    capsys.readouterr()
    # the store is tried out first: where that meets the full disk already, the finished answer is
    # shown; else the report meets it
    assert main(command) in (0, 1)
    assert "space" in capsys.readouterr().err
    assert (small_disk / "tiny/report.md").read_text() == report_before
    ballast.unlink()
    assert main(command) == 0
    assert (small_disk / "tiny/figures/margins/margins.png").stat().st_size > 5000


def test_results_that_meet_a_full_disk_in_the_end(
    study_file: Path,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the system says of a full disk, wherever the report meets it, is one line; the rows are
    there.
    """

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for module, name in ((report_files, "write_plain_parquet"), (outputs, "atomic_write")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            assert main(["run", str(study_file)]) == 1
        assert "no space is left to write the results in" in one_line(capsys)
    assert len(stored(place)) == 12
    assert main(["run", str(study_file)]) == 0
    assert "nothing to compute" in capsys.readouterr().out


def test_an_mlflow_store_without_space_is_waited_for(
    study_file: Path,
    small_disk: Path,
    migrated: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The rows lie elsewhere; what is to be logged waits, and the next run of the same study logs
    it.
    """
    (small_disk / "mlflow.db").write_bytes(migrated.read_bytes())
    uri = f"sqlite:///{small_disk / 'mlflow.db'}"
    study = yaml.safe_load(study_file.read_text())
    study["run"] = {
        "shard_size": 8,
        "threads": 1,
        "out": "elsewhere",
        "track": True,
        "tracking_uri": uri,
        "tracking_wait": 1.0,
    }
    study_file.write_text(yaml.safe_dump(study))
    with monkeypatch.context() as patch:
        after_shards(2, lambda: fill(small_disk), patch)
        assert main(["run", str(study_file)]) == 1
    told = capsys.readouterr()
    assert "12 shards measured" in told.out
    assert "advcore: not all is in MLflow: " in told.err
    assert "entries are not logged: MLflow at sqlite" in told.err
    assert "Traceback" not in told.err
    (small_disk / "ballast").unlink()
    assert main(["run", str(study_file)]) == 0
    from mlflow import MlflowClient

    runs = MlflowClient(uri).search_runs(
        [MlflowClient(uri).get_experiment_by_name("advcore").experiment_id]
    )
    assert len(runs) == 5
    assert {run.info.status for run in runs} == {"FINISHED"}


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("OSError: [Errno 28] No space left on device", True),
        ("[Errno 122] Disk quota exceeded: 'a'", True),
        ("(sqlite3.OperationalError) database or disk is full", True),
        ("RuntimeError: CUDA out of memory", False),
    ],
)
def test_a_full_disk_is_known_by_its_names(text: str, full: bool) -> None:
    assert is_full(text) is full
