"""What must hold before Ray is imported or asked: environment, address, GPUs. Ray itself is not imported here."""

import os
import socket
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

import torch

from workers.refusal import Refused

_TOKEN = Path("~/.ray/auth_token")


def prepare_environment(local: bool) -> None:
    """Set what Ray reads while it is imported, where the user has not: token authentication, the same interpreter, no noise.

    Once Ray is imported it is too late: its processes would ask for a token that this one does not send. So nothing is set then.
    """
    if "ray" in sys.modules:
        return
    if local or _TOKEN.expanduser().is_file() or os.environ.get("RAY_AUTH_TOKEN"):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def protect_token() -> None:
    """Let only the owner read the token that a local Ray has written; it is made readable for all."""
    with suppress(OSError):  # not there, or not ours
        _TOKEN.expanduser().chmod(0o600)


def check_address(address: str, seconds: float = 3.0) -> None:
    """Raise Refused unless `address` is "auto", or HOST:PORT or ray://HOST:PORT with somebody who listens there."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16 or "/" in host:
        raise Refused(f"a Ray address is auto, HOST:PORT or ray://HOST:PORT; got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except OSError as error:
        raise Refused(f"no Ray at {address} ({error}): check the address, or start one there by `ray start --head`") from error


def check_gpus(workers: int, share: float) -> None:
    """Raise Refused unless this machine has the GPUs for `workers` with a `share` (0 to 1) of one each."""
    if share == 0:
        return
    fit = torch.cuda.device_count() * int(1 / share + 1e-9)
    if fit < workers:
        raise Refused(
            f"{workers} workers with {share:g} of a GPU each do not fit on this machine ({torch.cuda.device_count()} GPUs): "
            "ask for fewer workers or a smaller gpus_per_worker, or give the address of a cluster"
        )


def import_paths() -> list[str]:
    """Where this process imports from, beside Python's own folders: workers that look there find the same packages."""
    own = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths = [Path(entry or ".").absolute() for entry in sys.path]
    return [str(path) for path in paths if path.is_dir() and not any(path.is_relative_to(folder) for folder in own)]
