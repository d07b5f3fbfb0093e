"""A sweep whose rows and states lie on S3 comes to what one in folders comes to."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import sweeps
import yaml
from s3_server import S3, SECRET
from sweeps import EPS, results, sweep_of, tiny_sweep, with_term

from advcore.pipelines.sweep.driver import sweep
from advcore.workers.errors import InputError


def test_a_storage_that_cannot_be_had_is_refused(place: Path, s3: S3) -> None:
    with pytest.raises(
        InputError,
        match=r"s3://no-such-bucket/states/.*: there is no such bucket: make it, or check its name",
    ):
        sweep(sweep_of(tiny_sweep(), runner="ray", storage="s3://no-such-bucket/states"))
    assert not any((place / "out/tiny").iterdir())


@pytest.mark.slow
def test_a_trial_that_is_killed_goes_on_from_its_state_on_s3(place: Path, s3: S3) -> None:
    """Through the command line, on Ray: the fourth step of all kills its process, once; its first
    epoch is not trained again.
    """
    plain = tiny_sweep(space={EPS: {"grid": [0.1]}})
    for name in ("calm", "killed"):
        (place / name).mkdir()
    sweep(sweep_of(with_term(plain, kind="sweeps:Deadly", folder="calm", step=-1)))
    (place / "tiny.yaml").write_text(
        yaml.safe_dump(with_term(plain, kind="sweeps:Deadly", folder=str(place / "killed")))
    )
    shutil.copy(sweeps.__file__, place)
    flags = [
        "--runner",
        "ray",
        "--out",
        "ray",
        "--store",
        s3.url("rows"),
        "--storage",
        s3.url("states"),
    ]
    command = [sys.executable, "-m", "advcore.pipelines.cli", "sweep", "tiny.yaml", *flags]
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as short:
        environment = {**os.environ, "RAY_TMPDIR": short}
        for words in ("1 trial run, 0 found finished", "nothing to run"):
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=600
            )
            assert done.returncode == 0, done.stderr
            assert words in done.stdout
            assert SECRET not in done.stdout + done.stderr
        logs = [path for path in Path(short).rglob("*") if path.is_file()]
        assert logs
        assert not [path for path in logs if SECRET.encode() in path.read_bytes()]
    assert (
        place / "killed/steps"
    ).stat().st_size == 8  # of 6: the second epoch's two steps were made again
    (one,), (other,) = results(place / "out/tiny"), results(place / "ray/tiny")
    assert one[1:4] == other[1:4]
    rows = [key for key in s3.objects("rows/") if key.endswith(".parquet")]
    assert sorted(Path(key).stem for key in rows) == sorted(
        key for keys in other[4].values() for key in keys
    )
    assert [key for key in s3.objects("states/tiny/") if key.endswith("state.safetensors")]
    assert sorted(path.name for path in (place / "ray").iterdir()) == [".locks", "tiny"], (
        "no rows and no states in folders"
    )
