"""Processes that wait on a cluster for the next run, in the place of those that this one has used
up.

Ray lets processes wait when it starts (`RAY_enable_worker_prestart=1`), and an actor's process ends
with it, so only the first run would find them. Where idle processes import something beforehand, as
many are asked for at the end of a run as it had actors.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

KEPT = 60
"""Seconds that they are kept at least; later on Ray ends those that the machine has no CPU for."""


def has_preloaded_workers() -> bool:
    """Whether this process belongs to a Ray whose idle processes import something beforehand."""
    return bool(os.environ.get("RAY_preload_python_modules"))  # noqa: SIM112  (so Ray spells it)


def prestart_workers(ray: Any, wanted: Mapping[str, int]) -> None:
    """Ask each node, by id, for so many processes that belong to nobody yet. A favour: what fails
    is left."""
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
                    keep_alive_duration_secs=KEPT,
                )
                address = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
                with init_grpc_channel(
                    address, options=GLOBAL_GRPC_OPTIONS
                ) as channel:  # not through a proxy, as Ray itself
                    NodeManagerServiceStub(channel).PrestartWorkers(request, timeout=2)
