"""Check that the head of a Ray is there and accepts us, and goes on to answer.

Ray itself would try for long, and tell less.
"""

import os
from collections.abc import Callable
from typing import Any

from advcore.workers.errors import InputError, RunInterruptedError
from advcore.workers.pool.preconditions import NO_TOKEN, OTHER_TOKEN
from advcore.workers.pool.ray_internals import accepts_without_token, head_version

HEAD_TIMEOUT_SECONDS = 30.0
"""Seconds for which Ray's head may not answer: Ray itself ends the process after 60."""


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


class HeadWatch:
    """Knows since when Ray's head has not answered; `ask` returns True if it does."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._since: float | None = None

    @property
    def silent(self) -> bool:
        """True if it did not answer when it was asked last."""
        return self._since is not None

    def answers(self, now: float) -> bool:
        """Return whether it answers at time `now`, in seconds.

        Raises RunInterruptedError if it has not for long: Ray would end this process after a
        minute, and MLflow would never hear of it.
        """
        if self._ask():
            self._since = None
            return True
        if self._since is None:
            self._since = now
        if now - self._since > HEAD_TIMEOUT_SECONDS:
            raise RunInterruptedError(f"Ray's head has not answered for {now - self._since:.0f} s")
        return False
