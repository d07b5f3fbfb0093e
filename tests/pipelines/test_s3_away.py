"""An S3 that goes away while a study runs: what was measured waits for it, and nobody gives up who
has begun.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from driver import Driver, nodes, workers_of
from faulty_proxy import faulty
from s3_server import S3

from advcore.pipelines import cli


@pytest.mark.slow
def test_workers_wait_and_new_ones_come_when_it_is_back(
    tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker is killed meanwhile: those in its place cannot start, and the run goes on."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    with faulty(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with nodes() as cluster:
            driver = Driver(tmp_path, cluster)
            process = driver.start("--store", s3.url("rows"))
            driver.until(lambda: len(s3.objects("rows/")) >= 4, process)  # one is no shard
            proxy.choose = lambda method, path: "drop"
            os.kill(workers_of(driver)[0], signal.SIGKILL)
            time.sleep(20)
            assert process.poll() is None, process.communicate()[0]
            proxy.choose = lambda method, path: None
            told = driver.end(process)
            assert "12 shards measured, 0 of 12 found" in told
            assert "1 workers lost" in told
            assert "workers that could not start" in told
            driver.check(store=s3.url("rows"))


@pytest.mark.usefixtures("brisk")
def test_one_that_stays_away_is_told_and_the_next_run_goes_on(
    study_file: Path,
    tiny: dict[str, Any],
    place: Path,
    s3: S3,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It goes once all is measured: status 1, for nothing was wrong with the study."""
    tiny["probes"] = {"curvature": tiny["probes"]["curvature"]}
    study_file.write_text(yaml.safe_dump(tiny))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    with faulty(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.choose = lambda method, path: (
            "drop" if method == "GET" and path.endswith(".parquet") else None
        )
        assert cli.main(["run", str(study_file), "--store", s3.url("rows")]) == 1
        lines = [
            line
            for line in capsys.readouterr().err.splitlines()
            if line.startswith(("advcore: ", "Traceback"))
        ]
        assert len(lines) == 1
        assert lines[0].startswith(
            "advcore: 6 of 6 shards were measured, and the store cannot be read now: s3://"
        )
        assert lines[0].endswith(
            "finished shards are in the store, and the same command goes on from there"
        )
        proxy.choose = lambda method, path: None
        assert cli.main(["run", str(study_file), "--store", s3.url("rows")]) == 0
        assert "all 6 shards were in the store" in capsys.readouterr().out


@pytest.mark.usefixtures("brisk")
def test_one_that_stays_away_while_workers_wait_ends_the_run(
    study_file: Path,
    place: Path,
    s3: S3,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setattr("advcore.workers.stores.retries.STORE_AWAY_SECONDS", 0.0)
    with faulty(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.choose = lambda method, path: (
            "error" if method == "PUT" and path.endswith(".parquet") else None
        )
        assert cli.main(["run", str(study_file), "--store", s3.url("rows")]) == 1
        told = capsys.readouterr().err
        assert (
            "advcore: 0 of 24 shards were measured, and the store is unreachable: "
            "advcore.workers.errors.UnavailableError: s3://"
        ) in told
        assert "Traceback" not in told
