"""Memory of a study whose data are larger than it: an archive of 40 GB, measured on Ray.

The archive is sparse: all its pixels are zero and take no room on the disk, but whoever reads it
gets 40 GB. A study takes some thousand samples of it, which do not travel (`--all` takes all), and
a cheap probe on a small network. Anonymous memory is what a process has of its own; pages of files
and of Ray's object store are not in it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from advcore.workers.datasets import DataSpec, load
from benchmarks.setting import machine

COUNT, SHAPE = 266_000, (3, 224, 224)
SAMPLES = 4000
TURN_SECONDS = 0.2
BOUND = 2e9
"""Bytes of anonymous memory that no process may exceed."""


def write_sparse(file: Path, count: int = COUNT, shape: tuple[int, ...] = SHAPE) -> None:
    """Write an archive of black images of two classes; only its ends are on the disk."""
    size = count * int(np.prod(shape))
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
            npy_format.write_array_header_1_0(member, header)
            archive.fp.seek(size, 1)  # type: ignore[union-attr]
            member._file_size += size  # type: ignore[attr-defined]
        with archive.open("labels.npy", "w") as member:
            npy_format.write_array(member, np.arange(count) % 2)


def study(folder: Path, runner: str, samples: int | None) -> Path:
    """Write the study's file."""
    wanted = {} if samples is None else {"samples": samples}
    settings = {
        "name": "big-data",
        "models": {"small": {"architecture": "tiny_network:tiny", "classes": 2}},
        "data": {"name": f"npz:{folder / 'big.npz'}", **wanted},
        "probes": {
            "robustness": {
                "kind": "robustness",
                "eps": [0.01],
                "attacks": [{"kind": "fgsm", "norm": "linf"}],
                "masking": False,
            }
        },
        "run": {"out": str(folder / runner), "runner": runner, "track": False, "threads": 1}
        | ({"workers": 2} if runner == "ray" else {}),
    }
    (folder / "tiny_network.py").write_text(
        "from torch import nn\n\n\ndef tiny(num_classes=2):\n"
        "    return nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(147, num_classes))\n"
    )
    file = folder / f"{runner}.yaml"
    file.write_text(json.dumps(settings))
    return file


def below(process: int) -> list[Path]:
    """Return the folders in /proc of a process and of all below it."""
    parents: dict[int, int] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError, IndexError):
                parents[int(place.name)] = int(_after_name(place)[1])
    found = []
    for own in parents:
        above = own
        while above not in (process, 0, 1):
            above = parents.get(above, 0)
        if above == process:
            found.append(Path(f"/proc/{own}"))
    return found


def anonymous(process: int) -> dict[str, int]:
    """Return bytes of anonymous memory of a process and all below it, by what they are called."""
    found: dict[str, int] = {}
    for place in below(process):
        with suppress(OSError):
            words = (place / "cmdline").read_text().split("\0")[0].split("/")[-1]
            name = "driver" if place.name == str(process) else words
            for line in (place / "status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    found[name] = max(found.get(name, 0), 1024 * int(line.split()[1]))
    return found


def processor_times(process: int) -> dict[int, float]:
    """Return the seconds of processor time of a process and of each below it, by their ids."""
    ticks, found = os.sysconf("SC_CLK_TCK"), {}
    for place in below(process):
        with suppress(OSError, IndexError):
            words = _after_name(place)
            found[int(place.name)] = (int(words[11]) + int(words[12])) / ticks
    return found


def _after_name(place: Path) -> list[str]:
    """Return the words of a process's `stat` behind its name: state, parent, ..."""
    return (place / "stat").read_text().rpartition(")")[2].split()


def peaks(folder: Path, file: Path) -> tuple[dict[str, int], float]:
    """Run a study; return the peak of each kind of process, and the seconds that it took."""
    start, most = time.perf_counter(), {}
    command = [sys.executable, "-m", "advcore.pipelines.cli", "run", str(file)]
    with subprocess.Popen(command, cwd=folder) as driver:
        while driver.poll() is None:
            for name, value in anonymous(driver.pid).items():
                most[name] = max(most.get(name, 0), value)
            time.sleep(TURN_SECONDS)
    if driver.returncode:
        raise SystemExit(f"the study failed with status {driver.returncode}")
    return most, time.perf_counter() - start


def main() -> None:
    samples = None if "--all" in sys.argv else SAMPLES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sparse(folder / "big.npz")
        size = (folder / "big.npz").stat().st_size
        start = time.perf_counter()
        data = load(DataSpec(f"npz:{folder / 'big.npz'}", samples=samples))
        print(
            f"{size / 1e9:.1f} GB, {len(data)} of {COUNT} images {SHAPE} ({machine()}): opened and "
            f"digested in {time.perf_counter() - start:.1f} s, {data.nbytes / 1e6:.1f} MB travel",
            flush=True,
        )
        for runner in ("inline", "ray"):
            file = study(folder, runner, samples)
            most, seconds = peaks(folder, file)
            print(f"  {runner}: {seconds:.1f} s; anonymous memory, the most of any process:")
            for process, value in sorted(most.items(), key=lambda entry: -entry[1])[:6]:
                print(f"    {value / 1e6:8.0f} MB  {process}", flush=True)
            if max(most.values()) > BOUND:
                raise SystemExit(f"more than {BOUND / 1e9:g} GB")


if __name__ == "__main__":
    main()
