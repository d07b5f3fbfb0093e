"""A smooth stand-in for a network of ReLUs: the same weights, softplus in place of each ReLU."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

RELUS = (functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)


class SoftplusForReLU(TorchFunctionMode):
    """Compute each ReLU inside the block as `log(1 + exp(beta z)) / beta`.

    A network of ReLUs is linear in pieces, so that the gradient of its gradient is 0 almost
    everywhere; this one is curved, and tends to it as beta grows (Dombrowski et al. 2019). What is
    written as `clamp(min=0)` or `maximum`, and other activations, stay as they are. A ReLU in place
    hands back a new tensor, and leaves its own as it was.

    Attributes:
        beta: sharpness; the largest difference to a ReLU is `log(2) / beta`.
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in RELUS:
            return functional.softplus(args[0], self.beta)
        return func(*args, **(kwargs or {}))
