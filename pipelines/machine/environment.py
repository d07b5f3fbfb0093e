"""The environment of a result: versions, the commit, the device."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("advcore", "torch", "torchvision", "numpy", "ray", "mlflow")


def environment_tags() -> dict[str, str]:
    """Return a run's tags: versions, device, and the commit in a checkout.

    The tags are `version.<package>`, `version.python`, `advcore.device`,
    `mlflow.source.git.commit` and `advcore.uncommitted_changes`. They are looked up once a process,
    whose code does not change either.
    """
    return dict(_looked_up())


@cache
def _looked_up() -> dict[str, str]:
    tags = {f"version.{package}": _version(package) for package in PACKAGES}
    tags["version.python"] = platform.python_version()
    tags["advcore.device"] = _device()
    return {**tags, **_commit_tags(Path(__file__).parents[2])}


def _commit_tags(root: Path) -> dict[str, str]:
    """Return the commit of the checkout at `root`, and whether files differ from it.

    Empty without a checkout or without git.
    """
    commit = _git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None
    if commit is None:
        return {}
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {
        "mlflow.source.git.commit": commit,
        "advcore.uncommitted_changes": str(bool(changes)).lower(),
    }


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _device() -> str:
    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return f"cpu ({platform.machine()}, {os.cpu_count()} cores)"
