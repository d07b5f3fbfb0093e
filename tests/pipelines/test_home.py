"""A user without a home, who stands in no list of users: as `docker --user` and OpenShift give
one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
NOBODY = 61234


@pytest.fixture
def as_nobody(place: Path) -> list[str]:
    """What comes before a command. It may read all, for Python itself may lie in root's home."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root may become another user, and setpriv does it")
    place.chmod(0o777)
    for parent in (place, *place.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    rights = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    unset = [
        f"-u{name}"
        for name in (
            "HOME",
            "XDG_CACHE_HOME",
            "LOGNAME",
            "USER",
            "RAY_ADDRESS",
            "MLFLOW_TRACKING_URI",
        )
    ]
    return [
        "setpriv",
        "--reuid",
        str(NOBODY),
        "--regid",
        str(NOBODY),
        "--clear-groups",
        *rights,
        "env",
        *unset,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["--runner", "inline"], ["--runner", "ray", "--workers", "1"]])
def test_it_goes_on_with_a_folder_in_the_homes_place(
    as_nobody: list[str], flags: list[str], study_file: Path, tiny: dict[str, Any], place: Path
) -> None:
    tiny["probes"] = {"curvature": {"kind": "curvature"}}
    tiny["run"] |= {"track": True}
    study_file.write_text(yaml.safe_dump(tiny))
    command = [
        *as_nobody,
        f"PYTHONPATH={ROOT}",
        sys.executable,
        "-m",
        "advcore.pipelines.cli",
        "run",
        str(study_file),
        *flags,
    ]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert (
        f"advcore: this user has no home folder, /tmp/advcore-{NOBODY} is used instead: set HOME"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert (place / "out/mlflow.db").stat().st_uid == NOBODY
