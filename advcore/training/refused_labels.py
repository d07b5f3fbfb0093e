"""Labels that a term cannot take, refused in the words of `check_labels`."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from advcore.checks import check_labels
from advcore.holding import evaluating
from advcore.randomness import Randomness

Call = TypeVar("Call", bound=Callable[..., Tensor])


def refuses_labels(call: Call) -> Call:
    """Return a term's `__call__` that raises ValueError for labels that are none of the K classes.

    A training checks its labels once, at its beginning; whoever calls a term by hand would get
    torch's error of an index. Nothing is looked at before there is one.
    """

    @wraps(call)
    def called(
        self: Any, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        try:
            return call(self, network, images, labels, randomness)
        except (IndexError, RuntimeError):
            with evaluating(network), torch.no_grad():
                logits = network(images)
            check_labels(labels, *logits.shape)
            raise

    return cast("Call", called)
