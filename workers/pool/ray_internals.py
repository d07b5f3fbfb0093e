"""Everything of Ray that is not public, in this one file.

Each function says what is done where a version lacks it.

Processes that wait: Ray lets them wait when it starts (`RAY_enable_worker_prestart=1`), and an
actor's process ends with it, so only the first run would find them. Where idle processes import
something beforehand, as many are asked for at the end of a run as it had actors.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

FLAGS = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment variables that Ray reads and its documentation does not promise: workers run in this
interpreter also under `uv run`; Tune prints no tables; actors without a GPU see those of the
machine, and warn of nothing. A version that does not know one ignores it."""
KEPT_SECONDS = 60
"""Seconds that waiting processes are kept at least; later on Ray ends those that the machine has no
CPU for."""


def head_version(address: str, seconds: float) -> str | None:
    """Return the version that the head of a Ray at HOST:PORT tells.

    None if our Ray has no such question. Raises grpc.RpcError if no head answers.
    """
    try:
        from ray._private.grpc_utils import init_grpc_channel
        from ray._private.ray_constants import GLOBAL_GRPC_OPTIONS
        from ray.core.generated.gcs_service_pb2 import CheckAliveRequest  # type: ignore[attr-defined]
        from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub
    except ImportError:
        return None
    # Ray's own options: not through a proxy
    with init_grpc_channel(address, options=GLOBAL_GRPC_OPTIONS) as channel:
        stub = NodeInfoGcsServiceStub(channel)
        return str(stub.CheckAlive(CheckAliveRequest(), timeout=seconds).ray_version)


def noted_address() -> str:
    """Return the HOST:PORT that `ray start` noted last on this machine.

    It is empty if none is noted, or our Ray keeps no such note.
    """
    try:
        from ray._private.utils import read_ray_address
    except ImportError:
        return ""
    return read_ray_address() or ""


def command_lines() -> Iterator[list[str]]:
    """Yield the command line of each process on this machine.

    It is empty for those that may not be seen; there is none if our Ray brings no psutil.
    """
    try:
        from ray._private.services import psutil
    except ImportError:
        return
    for process in psutil.process_iter(["cmdline"]):
        yield process.info["cmdline"] or []


def accepts_without_token(address: str, seconds: float) -> bool:
    """Return True if the head of a Ray at HOST:PORT answers a question without token and TLS.

    False too where our Ray's question has another name: then nothing is refused.
    """
    import grpc  # type: ignore[import-untyped]

    options = [("grpc.enable_http_proxy", 0)]
    with closing(grpc.insecure_channel(address, options=options)) as channel:
        try:
            channel.unary_unary("/ray.rpc.NodeInfoGcsService/CheckAlive")(b"", timeout=seconds)
        except grpc.RpcError:
            return False
    return True


def child_processes() -> set[Any]:
    """Return the processes that this one has started, and theirs.

    Empty where our Ray brings no psutil.
    """
    try:
        from ray._private.services import psutil
    except ImportError:
        return set()
    return set(psutil.Process().children(recursive=True))


def has_preloaded_workers() -> bool:
    """Return whether idle processes of the Ray that this one belongs to import something first."""
    return bool(os.environ.get("RAY_preload_python_modules"))  # noqa: SIM112  (so Ray spells it)


def prestart_workers(ray: Any, wanted: Mapping[str, int]) -> None:
    """Ask each node, by id, for so many processes that belong to nobody yet.

    A favour: what fails is left.
    """
    with suppress(
        Exception
    ):  # Ray offers this to its own parts only, and any version may change it
        from ray._private.grpc_utils import init_grpc_channel
        from ray._private.ray_constants import GLOBAL_GRPC_OPTIONS
        from ray.core.generated.common_pb2 import Language  # type: ignore[attr-defined]
        from ray.core.generated.node_manager_pb2 import PrestartWorkersRequest  # type: ignore[attr-defined]
        from ray.core.generated.node_manager_pb2_grpc import NodeManagerServiceStub

        for node in ray.nodes():
            if node["Alive"] and wanted.get(node["NodeID"]):
                request = PrestartWorkersRequest(
                    language=Language.PYTHON,
                    num_workers=wanted[node["NodeID"]],
                    keep_alive_duration_secs=KEPT_SECONDS,
                )
                address = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
                with init_grpc_channel(
                    address, options=GLOBAL_GRPC_OPTIONS
                ) as channel:  # not through a proxy, as Ray itself
                    NodeManagerServiceStub(channel).PrestartWorkers(request, timeout=2)


def keep_from_trials(prefix: str) -> bool:
    """Keep environment variables that begin with `prefix` from being handed on to Tune's trials.

    False if our Ray names the ones that it hands on elsewhere: then nothing is changed, and the
    caller has to say so.
    """
    try:
        from ray.tune.execution import class_cache

        names = set(class_cache.ENV_VARS_TO_PROPAGATE)
    except (ImportError, AttributeError):
        return False
    class_cache.ENV_VARS_TO_PROPAGATE = {name for name in names if not name.startswith(prefix)}
    return True
