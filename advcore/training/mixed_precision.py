"""Passes of a training in a lower precision than float32."""

import warnings

import torch

from advcore.training.recipe import Precision


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Passes in a lower precision inside, where torch deems it safe.

    Without its cache of cast weights: a cast made for an attack, without gradients, would serve the
    step that needs them.
    """
    return torch.autocast(
        device.type, getattr(torch, precision), enabled=precision != "float32", cache_enabled=False
    )


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raise ValueError where torch has no passes in that precision on the device."""
    with warnings.catch_warnings(action="ignore"), autocast(precision, device):
        one = torch.ones(1, 1, device=device)
        came = (one @ one).dtype
    if came != getattr(torch, precision):
        raise ValueError(
            f"this torch cannot train in {precision} on {device.type}: take precision float32 "
            "or bfloat16, or a GPU"
        )
