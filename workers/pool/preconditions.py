"""Preconditions before Ray is imported or asked: environment, address, GPUs.

Ray itself is not imported here.
"""

import os
import re
import secrets
import socket
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

import torch

from advcore.workers.errors import InputError
from advcore.workers.pool.ray_internals import FLAGS

_TOKEN = Path("~/.ray/auth_token")

OTHER_TOKEN = (
    f"Ray at {{}} asks for another token: put the cluster's into {_TOKEN} and set "
    "RAY_AUTH_MODE=token"
)

NO_TOKEN = "Ray at {} takes no token, and this process sends one: set RAY_AUTH_MODE=disabled"

_ASK = """
import sys, ray
from advcore.workers.pool.ray_address import local_head
from advcore.workers.pool.ray_head import ask_head, check_token
from advcore.workers.errors import InputError
try:
    address = local_head() if sys.argv[1] == "auto" else sys.argv[1]
    ask_head(address)
    check_token(address)
except InputError as error:
    sys.exit(f"refused: {error}")
ray.init(address=address, logging_level="ERROR", log_to_driver=False)
has, nodes = ray.cluster_resources(), sum(node["Alive"] for node in ray.nodes())
cpus, gpus = has.get('CPU', 0), has.get('GPU', 0)
print(f"{nodes} machines, {cpus:g} CPUs, {gpus:g} GPUs, Ray {ray.__version__}")
"""


def prepare_environment(local: bool) -> None:
    """Set what Ray reads while it is imported, unless the user has set it.

    That is token authentication, the same interpreter, no noise.

    Once Ray is imported it is too late: its processes would ask for a token that this one does not
    send. So nothing is set then.
    """
    if "ray" in sys.modules:
        return
    path = _token_path()
    if local or _names_token() or (path is not None and path.is_file()):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "1", **FLAGS}.items():
        os.environ.setdefault(name, value)


def private_token() -> None:
    """Let only the owner read the token of a local Ray; make one if there is none.

    Ray's own would be readable for all.

    Where no file can be made, as without a home, it is a token for this process and those that it
    starts.
    """
    if os.environ.get("RAY_AUTH_MODE", "token") != "token" or _names_token():
        return
    path = _token_path()
    try:
        if path is None:
            raise FileNotFoundError("no home")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            with suppress(PermissionError):  # another's, who lets us read it
                path.chmod(0o600)
            path.read_bytes()
        else:
            _make_token(path)
    except OSError:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _make_token(path: Path) -> None:
    own = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(own, path)  # whole, and only where no other process was first
    finally:
        own.unlink(missing_ok=True)


def _token_path() -> Path | None:
    """Return where Ray looks for its token; None without a home."""
    try:
        return _TOKEN.expanduser()
    except RuntimeError:
        return None


def _names_token() -> bool:
    """Return whether the environment names a token, or a file with one."""
    return bool(os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"))


def check_address(address: str, seconds: float = 3.0) -> None:
    """Raise InputError unless `address` is "auto", or HOST:PORT with somebody who listens there.

    Ray's client (ray://HOST:PORT) is refused too: its server, in another folder, unpickles what a
    user's own code makes.
    """
    if address == "auto":
        return
    if address.startswith("ray://"):
        raise InputError(
            f"{address} is Ray's client: run advcore on the cluster, by `ray job submit` "
            "(docs/cluster.md)"
        )
    host, _, port = address.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 2**16 or "/" in host:
        raise InputError(f"a Ray address is auto or HOST:PORT; got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except (OSError, UnicodeError) as error:  # UnicodeError: of a name that no host can have
        raise InputError(
            f"no Ray at {address} ({error}): check the address, or start one there by `ray "
            "start --head`"
        ) from error


def ask_cluster(address: str, seconds: float = 40.0) -> str:
    """Describe what the Ray cluster at `address` has, as a process of its own finds it.

    Ray itself knows no time limit.

    Raises InputError where none answers within `seconds`, or where it refuses us.
    """
    check_address(address)
    prepare_environment(local=False)
    try:
        paths = os.pathsep.join([*import_paths(), *filter(None, [os.environ.get("PYTHONPATH")])])
        command, environment = (
            [sys.executable, "-c", _ASK, address],
            {**os.environ, "PYTHONPATH": paths},
        )
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"Ray at {address} does not answer within {seconds:g} s: is it running and reachable?"
        ) from error
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1]
    told = f"{done.stdout}\n{done.stderr}"
    refused = told.rpartition("\nrefused: ")[2] if "\nrefused: " in told else ""
    if refused:
        raise InputError(" ".join(refused.split()))
    if "nauthenticated" in told or "AuthenticationError" in told:
        raise InputError(OTHER_TOKEN.format(address))
    reason = (told.strip().splitlines() or ["no word"])[-1]
    raise InputError(
        f"cannot connect to Ray at {address} ({reason}): is it running, and of the same version?"
    )


def check_gpus(workers: int, share: float) -> None:
    """Raise InputError unless this machine has the GPUs for `workers`.

    Each has a `share` (0 to 1) of one.
    """
    if share == 0:
        return
    fit = torch.cuda.device_count() * int(1 / share + 1e-9)
    if fit < workers:
        raise InputError(
            f"{workers} workers with {share:g} of a GPU each do not fit on this machine "
            f"({torch.cuda.device_count()} GPUs): "
            "ask for fewer workers or a smaller gpus_per_worker, or give the address of a cluster"
        )


def import_paths() -> list[str]:
    """Return where this process imports from, beside Python's own folders.

    Workers that look there find the same packages.
    """
    own = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths = [Path(entry or ".").absolute() for entry in sys.path]
    return [
        str(path)
        for path in paths
        if path.is_dir() and not any(path.is_relative_to(folder) for folder in own)
    ]
