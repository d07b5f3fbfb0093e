"""A plain install, in a folder whose own `workers/` and `pipelines/` are a user's."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

ROOT = Path(__file__).parents[2]

PROBE = '''
from dataclasses import dataclass
import advcore.workers
from advcore.probes.probe import Summary
import workers.tools


@dataclass(frozen=True)
class Where:
    """Where this process has advcore from, and the user's own package."""

    def measure(self, classifier, batch, randomness):
        count = len(batch.indices)
        return {
            "sample": batch.indices,
            "advcore": [advcore.workers.__file__] * count,
            "own": [workers.tools.__file__] * count,
        }

    def validate(self, shape, classes):
        pass

    def summarise(self, table):
        return Summary({"rows": float(len(table["sample"]))})

    def charts(self, tables):
        return []
'''

STUDY = """
name: plain
models: {net: {architecture: lenet}}
data: {name: mnist5k, split: test, samples: 8}
probes: {where: {kind: "own:Where"}, curvature: {kind: curvature}}
"""


@pytest.fixture(scope="module")
def plain_install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as `pip install .` lays it out: copied files under one name, no links."""
    folder = tmp_path_factory.mktemp("build")
    build = ["build", "--build-base", str(folder / "base"), "--build-lib", str(folder / "plain")]
    subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(folder), *build],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder / "plain"


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["inline", "ray"])
def test_a_users_own_folders_do_not_matter(
    runner: str, plain_install: Path, tmp_path: Path
) -> None:
    for name in ("workers", "pipelines"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "tools.py").write_text("")
    (tmp_path / "own.py").write_text(PROBE)
    (tmp_path / "study.yaml").write_text(STUDY)
    command = [sys.executable, "-m", "advcore.pipelines.cli", "run", "study.yaml"]
    options = ["--out", "out", "--runner", runner, "--workers", "2", "--shard-size", "4"]
    done = subprocess.run(
        [*command, *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(plain_install)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ModuleNotFoundError" not in done.stdout + done.stderr
    tables = [
        pyarrow.parquet.read_table(file).to_pydict()
        for file in (tmp_path / "out" / "store").rglob("*.parquet")
    ]
    where = [table for table in tables if "advcore" in table]
    curvature = [table for table in tables if "advcore" not in table]
    measured = sorted(sample for table in where for sample in table["sample"])
    assert len(measured) == len(set(measured)) == 8
    assert {sample for table in curvature for sample in table["sample"]} == set(measured)
    assert {file for table in where for file in table["advcore"]} == {
        str(plain_install / "advcore" / "workers" / "__init__.py")
    }
    assert {file for table in where for file in table["own"]} == {
        str(tmp_path / "workers" / "tools.py")
    }
