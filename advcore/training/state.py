"""The state of a training as one flat mapping of tensors, which a file can hold."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def prefixed(**parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Several mappings as one, whose keys begin with `part.`."""
    return {
        f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()
    }


def with_prefix(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One of the mappings that `prefixed` put together."""
    return {
        key.removeprefix(f"{part}."): value
        for key, value in tensors.items()
        if key.startswith(f"{part}.")
    }


def as_tensors(values: Mapping[str, Any]) -> dict[str, Tensor]:
    """Numbers and tensors as tensors; what is None is left out."""
    return {name: torch.as_tensor(value) for name, value in values.items() if value is not None}
