"""Gradients in a network's weights against central differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


def check_gradient(
    network: nn.Module, loss: Tensor, value: Callable[[], Tensor], step: float = 1e-6
) -> None:
    """`loss` equals `value()`, and the gradient of the one, along random weights, the central
    difference of the other.
    """
    torch.testing.assert_close(loss, value())
    parameters = list(network.parameters())
    generator = torch.Generator().manual_seed(5)
    way = [
        torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)
        for parameter in parameters
    ]
    slope = sum(
        (gradient * part).sum()
        for gradient, part in zip(torch.autograd.grad(loss, parameters), way, strict=True)
    )
    values = []
    with torch.no_grad():
        for sign in (1, -2):
            for parameter, part in zip(parameters, way, strict=True):
                parameter += sign * step * part
            values.append(value().item())
        for parameter, part in zip(parameters, way, strict=True):
            parameter += step * part
    assert slope.item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)
