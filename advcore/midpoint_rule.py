"""The midpoint rule along the straight ways between inputs."""

import torch
from torch import Tensor


def midpoints(start: Tensor | float, way: Tensor, count: int) -> Tensor:
    """Return `start + (j - 1/2)/count way`, j = 1..count, `(count, B, *shape)`.

    `way` is `(B, *shape)`; `start` too, or one number for all. The mean of a gradient over them
    tends to its integral along the way.
    """
    shares = (torch.arange(count, dtype=way.dtype, device=way.device) + 0.5) / count
    return start + shares.view(-1, *[1] * way.dim()) * way
