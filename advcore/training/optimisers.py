"""The optimisers that a recipe can name."""

from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import nn

OptimiserName = Literal["sgd", "adam", "adamw"]


def optimiser(
    name: OptimiserName,
    parameters: Iterable[nn.Parameter],
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> torch.optim.Optimizer:
    """SGD with momentum, Adam, or AdamW, whose learning rate is set before each step.

    `momentum` is that of SGD, and the decay of the first moment of the two others; `weight_decay`
    is part of the gradient, but for AdamW, which shrinks the weights beside it (Loshchilov and
    Hutter 2019).
    """
    if name == "sgd":
        return torch.optim.SGD(
            parameters, lr=1.0, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
        )
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    return kind(parameters, lr=1.0, betas=(momentum, 0.999), weight_decay=weight_decay)


def check_optimiser(name: str, momentum: float, nesterov: bool) -> None:
    """Raise ValueError for settings that no optimiser takes."""
    known = get_args(OptimiserName)
    if name not in known:
        raise ValueError(f"optimiser must be one of {', '.join(known)}; got {name!r}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1); got {momentum}")
    if nesterov and (name != "sgd" or not momentum):
        raise ValueError(
            f"nesterov is for sgd with momentum; got optimiser {name} with momentum {momentum}"
        )
