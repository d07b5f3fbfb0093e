"""EMA: an exponential moving average of the weights of a network in training."""

import torch
from torch import nn


@torch.no_grad()
def update_ema(mean: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the weights of `mean` towards those of `network`, in place: `m <- d m + (1 - d) w`.

    `d = min(decay, (1 + t) / (10 + t))`, t the number of steps before this one: while it is small
    the average forgets its start fast, so that a short training is not averaged with its first
    weights. The statistics of batch norm are averaged as the weights are; what only counts is
    copied.
    """
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in mean.state_dict().items():
        current = network.state_dict()[name]
        if value.is_floating_point():
            value.lerp_(current, 1 - decay)
        else:
            value.copy_(current)
