"""Drivers that are stopped say so, and the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_driver_that_is_stopped_goes_on_where_it_was(study_file: Path, place: Path) -> None:
    """SIGTERM in the middle: status 130, finished shards kept, the next run measures the rest."""
    slow = [
        "--set",
        "data.samples=120",
        "--set",
        "probes.examples.count=120",
        "--set",
        "probes.robustness.attacks.1.steps=300",
        "--shard-size",
        "10",
    ]
    command = [sys.executable, "-m", "advcore.pipelines.cli", "run", str(study_file), *slow]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and len(list((place / "out/store").rglob("*.parquet"))) < 3:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "goes on from there" in errors
    kept = len(list((place / "out/store").rglob("*.parquet")))
    assert 3 <= kept < 96
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{96 - kept} shards measured, {kept} of 96 found" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.5, 2.0])
def test_a_driver_that_is_stopped_while_ray_starts_says_so(
    study_file: Path, place: Path, after: float
) -> None:
    """Where Ray has its own handler of SIGTERM."""
    command = [
        sys.executable,
        "-m",
        "advcore.pipelines.cli",
        "run",
        str(study_file),
        "--runner",
        "ray",
        "--workers",
        "1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "starting workers" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(after)
        process.send_signal(signal.SIGTERM)
        errors = process.stderr.read()
    assert process.returncode == 130, errors
    assert "advcore: interrupted; finished shards are in the store" in errors
