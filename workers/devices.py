"""Devices by name, and the number of CPU threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from advcore.workers.errors import InputError


def resolve_device(name: str) -> torch.device:
    """The device "cpu", "cuda" (or "cuda:1"), or for "auto" a GPU if torch sees one.

    Raises InputError where it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name != "cpu" and not (name.startswith("cuda") and torch.cuda.is_available()):
        raise InputError(
            f"device must be cpu, cuda or auto, and cuda needs a GPU that torch sees; got {name!r}"
        )
    return torch.device(name)


@contextmanager
def threads_set(count: int) -> Iterator[None]:
    """Set torch's thread count inside the block; restore it on exit."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
