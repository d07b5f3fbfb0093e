"""The checks of `advcore doctor`: one line each, with what to do where something is missing."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from advcore.counts import counted
from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.tracking.tracker import check_tracking
from advcore.workers.datasets import absent
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path
from advcore.workers.pool.local_ray import session_folder
from advcore.workers.pool.preconditions import ask_cluster
from advcore.workers.redaction import without_secrets
from advcore.workers.stores.store import open_store

TIMEOUT_SECONDS = 60.0
"""Seconds after which a check is given up."""

_FREE_GIGABYTES = 2.0
"""GB that should be free: figures, tables and rows of some studies, and Ray's own session."""


@dataclass(frozen=True)
class Finding:
    """The result of one check, in words, which say what to do where it is not `ok`."""

    name: str
    ok: bool
    words: str

    def __str__(self) -> str:
        return f"{'ok' if self.ok else '!!'}  {self.name:10} {self.words}"


def examine(
    out: str,
    store: str | None = None,
    address: str | None = None,
    tracking_uri: str | None = None,
    patience: float = TIMEOUT_SECONDS,
) -> Iterator[Finding]:
    """Yield one finding for each thing that a study with these settings needs.

    No check raises, hangs or shows a secret.

    The settings are those of `RunSettings`; RAY_ADDRESS and MLFLOW_TRACKING_URI stand in for
    `address` and `tracking_uri`.
    """
    folder = expand_path(out).absolute()
    place = store or str(folder / "store")
    checks: dict[str, Callable[[], str]] = {
        "versions": _versions,
        "threads": _threads,
        "gpus": _gpus,
        "ray": lambda: _ray(address or os.environ.get("RAY_ADDRESS")),
        "mlflow": lambda: check_tracking(tracking_uri, folder),
        "store": lambda: _store(place),
        "data": _data,
        "disk": lambda: _disk(folder),
    }
    for name, check in checks.items():
        yield _found(name, check, patience)


def _found(name: str, check: Callable[[], str], patience: float) -> Finding:
    """Run one check in a thread, because a library that hangs cannot be stopped."""
    told: list[Finding] = []

    def look() -> None:
        try:
            told.append(Finding(name, True, check()))
        except Exception as error:  # a broken installation raises anything
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            told.append(Finding(name, False, kind + " ".join(str(error).split())))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(patience)
    found = (
        told[0]
        if told
        else Finding(
            name, False, f"no answer within {patience:g} s: check that this machine can reach it"
        )
    )
    return Finding(name, found.ok, without_secrets(found.words))


def _versions() -> str:
    tags = environment_tags()
    found = {
        name.removeprefix("version."): value
        for name, value in tags.items()
        if name.startswith("version.")
    }
    missing = [
        name for name, value in found.items() if value == "not installed" and name != "advcore"
    ]  # it runs, from a checkout
    if missing:
        raise InputError(
            f"not installed: {', '.join(missing)}; install them by make .venv/ready, or by "
            "pip install . in the checkout"
        )
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _threads() -> str:
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if torch.get_num_threads() > cores:
        raise InputError(
            f"torch uses {torch.get_num_threads()} threads on {counted(cores, 'core')}: set "
            f"OMP_NUM_THREADS={cores} or fewer"
        )
    return (
        f"torch uses {torch.get_num_threads()} of {counted(cores, 'core')} inline, and 1 in each "
        "Ray worker unless run.threads says otherwise"
    )


def _gpus() -> str:
    if not torch.cuda.is_available():
        if shutil.which("nvidia-smi"):
            raise InputError(
                f"torch {torch.__version__} sees no GPU, although nvidia-smi is installed: the "
                f"driver may be too old for CUDA {torch.version.cuda}"
            )
        return "none on this machine: measuring uses the CPU"
    torch.ones(2, device="cuda").sum().item()
    names = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return ", ".join(f"{entry.name} ({entry.total_memory / 1e9:.0f} GB)" for entry in names)


def _ray(address: str | None) -> str:
    if not address:
        session_folder()
        return "no address given: a study with runner: ray starts a cluster on this machine"
    return f"{address}: {ask_cluster(address)}"


def _store(place: str) -> str:
    open_store(place)
    return f"{place} is writable"


def _data() -> str:
    missing = absent()
    here = [name for name in ("mnist5k", "digits", "fashion-mnist") if name not in missing]
    lacks = "".join(f"; {name} is not available: {words}" for name, words in missing.items())
    if not here:
        raise InputError(f"no built-in data set is available{lacks}")
    return f"{', '.join(here)} available{lacks}"


def _disk(folder: Path) -> str:
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    free = shutil.disk_usage(there).free / 1e9
    if free < _FREE_GIGABYTES:
        raise InputError(
            f"{free:.1f} GB free at {there}, {_FREE_GIGABYTES:g} GB are needed: free some, or "
            "choose another folder (--out)"
        )
    return f"{free:.1f} GB free at {there}"
