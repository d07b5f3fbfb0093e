"""A node of a Ray cluster whose Python has Ray and torch, but not advcore."""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray as installed
import yaml
from ray.cluster_utils import Cluster
from sweeps import tiny_sweep

from advcore.workers.pool.preconditions import prepare_environment, private_token

pytestmark = pytest.mark.slow
STUDY = {
    "name": "bare",
    "models": {"net": {"architecture": "perceptron"}},
    "data": {"name": "digits", "split": "test", "samples": 8},
    "probes": {"curvature": {"kind": "curvature"}},
}


@pytest.fixture(scope="module")
def bare_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a head without CPUs, with one node of two: all work goes to that node."""
    place = tmp_path_factory.mktemp("bare")
    venv.create(place / "venv", symlinks=True)
    packages = next((place / "venv/lib").glob("python*/site-packages"))
    for library in Path(installed.__file__).parents[1].iterdir():
        if "advcore" not in library.name:  # installed as a copy, or editable by links
            (packages / library.name).symlink_to(library)
    python = [str(place / "venv/bin/python"), "-P"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    absent = subprocess.run(
        [*python, "-c", "import ray, torch, advcore"],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert absent.stderr.endswith("No module named 'advcore'\n")
    prepare_environment(local=True)
    private_token()
    head = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": False,
            "object_store_memory": 2**27,
        },
    )
    start = ["-m", "ray.scripts.scripts", "start", f"--address={head.address}", "--num-cpus=2"]
    node = subprocess.Popen(
        [*python, *start, f"--object-store-memory={2**27}", "--block"],
        cwd=place,
        env=environment | {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield head.address
    finally:
        node.terminate()
        node.wait(30)
        head.shutdown()


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_it_is_named_with_what_mends_it(command: str, bare_node: str, tmp_path: Path) -> None:
    file = tmp_path / "bare.yaml"
    sweep = {name: part for name, part in tiny_sweep().items() if name != "run"}
    file.write_text(yaml.safe_dump(STUDY if command == "run" else sweep))
    line = [sys.executable, "-m", "advcore.pipelines.cli", command, str(file), "--out", "out"]
    done = subprocess.run(
        [*line, "--runner", "ray", "--address", bare_node, "--set", "run.track=false"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == {"run": 2, "sweep": 1}[command], done.stdout
    told = r"advcore is not installed on node [\w.:-]+: install its checkout there, as here"
    lines = [line for line in done.stdout.splitlines() if line.startswith("advcore: ")]
    assert lines, done.stdout
    for line in lines:
        assert re.search(told + "$", line), line
