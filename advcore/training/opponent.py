"""Networks that work against the one that is trained, in the same step of the same optimiser."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call


def opposed(opponent: nn.Module, *inputs: Tensor, rate: float = 1.0) -> Tensor:
    """Return what the opponent gives, with a derivative in its own weights of the other sign.

    Who descends a value of it in all weights ascends in the opponent's, `rate` times as fast: the
    inner maximum of a game of two networks, or a gradient reversal (Ganin et al. 2016) seen from
    the other side.
    """
    upwards = {
        name: (1 + rate) * weight.detach() - rate * weight
        for name, weight in opponent.named_parameters()
    }
    found: Tensor = functional_call(opponent, upwards, inputs)
    return found


@contextmanager
def first_weights(seed: int) -> Iterator[None]:
    """Draw the weights of networks that are built inside from a seed; torch's state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        yield
