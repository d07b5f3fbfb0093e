"""Check that the head of a Ray is there and accepts us.

Ray itself would try for long, and tell less.
"""

import os
from typing import Any

from advcore.workers.errors import InputError
from advcore.workers.pool.preconditions import NO_TOKEN, OTHER_TOKEN
from advcore.workers.pool.ray_internals import accepts_without_token, head_version


def ask_head(address: str, seconds: float = 10.0) -> None:
    """Raise InputError unless the head of a Ray of our version answers at HOST:PORT.

    It must take our token.

    Nothing is compared where our Ray lacks the question.
    """
    import grpc  # type: ignore[import-untyped]
    import ray

    try:
        version = head_version(address, seconds)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise InputError(OTHER_TOKEN.format(address)) from error
        raise InputError(
            f"the server at {address} is not the head of a Ray cluster: give the address "
            "that `ray start --head` tells"
        ) from error
    if version not in (None, ray.__version__):
        raise InputError(
            f"Ray at {address} is {version}, here it is {ray.__version__}: install the same "
            "version on both"
        )


def check_token(address: str, seconds: float = 5.0) -> None:
    """Raise InputError if we send a token and the head at HOST:PORT takes none.

    Its workers would answer us in vain. Ray is not imported for it; a head that does not answer
    without a token, or without TLS, is right.
    """
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return
    if accepts_without_token(address, seconds):
        raise InputError(NO_TOKEN.format(address))


def head_answers(ray: Any) -> bool:
    """Return whether the Ray head of this process answers."""
    try:
        ask_head(ray.get_runtime_context().gcs_address, seconds=5.0)
    except InputError:
        return False
    return True
