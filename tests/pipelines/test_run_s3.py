"""A study whose rows, checkpoints and data lie on S3: the same rows as from a folder, on bad days
too, and no secret anywhere.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from faulty_proxy import faulty, sometimes
from s3_server import S3, SECRET
from studies import stored, study_of

from advcore.pipelines import cli
from advcore.pipelines.graph.plan import prepare
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.tracking.checkpoints import upload_checkpoints
from advcore.workers.datasets import DataSpec, load
from advcore.workers.models import build
from advcore.workers.stores.store import open_store


def check_rows(place: Path, s3: S3) -> None:
    """The rows in the bucket's store are those in the folder's, each shard once, bit for bit."""
    keys = [Path(name).stem for name in stored(place)]
    found = [Path(key).stem for key in s3.objects("store/") if key.endswith(".parquet")]
    assert sorted(found) == sorted(keys)
    with s3.directly():
        here, there = (
            open_store(str(place / "out/store")),
            open_store(s3.url("store"), create=False),
        )
    for key in keys:
        other = there.read(key)
        for name, column in here.read(key).items():
            same = other[name]
            assert (
                column == same
                if isinstance(column, list)
                else column.numpy().tobytes() == same.numpy().tobytes()
            )


def only(mapping: dict[str, Any], *probes: str) -> dict[str, Any]:
    return {**mapping, "probes": {name: mapping["probes"][name] for name in probes}}


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for Ray, whose sockets bear no long paths."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.usefixtures("brisk")
def test_rows_on_s3_are_those_in_a_folder_also_on_a_bad_day(
    tiny: dict[str, Any], place: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = only(tiny, "margins")
    run_study(study_of(study))
    with faulty(s3.port, sometimes(1 / 2)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        there = study_of(study, store=s3.url("store"), out="there")
        first = run_study(there)
        assert (first.complete, first.measured, first.found) == (True, 6, 0)
        again = run_study(there)
        assert (again.complete, again.measured, again.found) == (True, 0, 6)
    assert sum(proxy.spoilt.values()) >= 5
    assert not (place / "there/store").exists()
    check_rows(place, s3)


def test_a_checkpoint_and_data_on_s3(tiny: dict[str, Any], place: Path, s3: S3) -> None:
    digits = load(DataSpec("digits", samples=20))
    np.savez(place / "own.npz", images=digits.images, labels=digits.labels, names=digits.names)
    for name in ("own.npz", "one.safetensors"):
        s3.client.upload_file(str(place / name), s3.bucket, f"in/{name}")
    study = {**only(tiny, "curvature"), "data": {"name": "npz:own.npz"}}
    run_study(study_of(study))
    study["models"]["one"]["checkpoint"] = s3.url("in/one.safetensors")
    study["data"] = {"name": f"npz:{s3.url('in/own.npz')}"}
    (place / "one.safetensors").unlink()
    report = run_study(study_of(study))
    assert (report.complete, report.measured, report.found) == (
        True,
        0,
        6,
    )  # its rows are known by content


def test_a_checkpoint_of_the_driver_goes_to_other_machines_through_the_store(
    tiny: dict[str, Any], place: Path, s3: S3
) -> None:
    study = study_of(tiny)
    works = prepare(study).all_tasks()
    assert upload_checkpoints(works, open_store(str(place / "store"))) == works
    sent = upload_checkpoints(works, open_store(s3.url("store")))
    (place / "one.safetensors").unlink()
    assert {work.model.checkpoint for work in sent if work.name.startswith("two")} == {None}
    (checkpoint,) = {work.model.checkpoint for work in sent if work.name.startswith("one")}
    assert str(checkpoint).startswith(s3.url("store/checkpoints/"))
    assert build(sent[0].model)
    assert len(s3.objects("store/checkpoints/")) == 1


def test_a_store_that_cannot_be_had_is_one_line_and_status_2(
    study_file: Path, s3: S3, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["run", str(study_file), "--store", "s3://no-such-bucket/rows"]) == 2
    assert "there is no such bucket: make it, or check its name" in capsys.readouterr().err
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET}@127.0.0.1:9")
    assert cli.main(["run", str(study_file), "--store", s3.url("rows")]) == 2
    told = capsys.readouterr().err
    assert "nobody answers there: check AWS_ENDPOINT_URL" in told
    assert SECRET not in told


@pytest.mark.slow
def test_on_ray_through_the_command_line_and_no_secret_is_written(
    study_file: Path, place: Path, short: Path, s3: S3
) -> None:
    """Every tenth request is spoilt; what Ray, MLflow and the command wrote is searched for the
    secret key.
    """
    with faulty(s3.port, sometimes(1 / 10)) as proxy:
        environment = {**os.environ, "AWS_ENDPOINT_URL": proxy.url, "RAY_TMPDIR": str(short)}
        command = [
            sys.executable,
            "-m",
            "advcore.pipelines.cli",
            "run",
            str(study_file),
            "--out",
            "ray",
            "--store",
            s3.url("store"),
        ]
        flags = ["--runner", "ray", "--workers", "2", "--track", "--verbose"]
        for words in (
            "24 shards measured, 0 of 24 found",
            "nothing to compute: all 24 shards were in the store",
        ):
            done = subprocess.run(
                [*command, *flags], capture_output=True, text=True, env=environment, timeout=600
            )
            assert done.returncode == 0, done.stderr
            assert words in done.stdout
            assert SECRET not in done.stdout + done.stderr
    assert proxy.spoilt
    run_study(study_of(yaml.safe_load(study_file.read_text())))
    check_rows(place, s3)
    logs = [path for path in short.rglob("*") if path.is_file()]
    assert any(path.name.startswith("worker-") for path in logs)
    written = [*logs, *(path for path in place.rglob("*") if path.is_file())]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    assert not [key for key, raw in s3.objects().items() if SECRET.encode() in raw]
