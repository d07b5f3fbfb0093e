"""Input gradients of convolutions of few channels, as convolutions."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

FEW_IN, FEW_OUT = 4, 16
"""Largest number of channels in, and the number that those out stay below: there torch's own
gradient on CPUs takes up to seven times as long."""


class FewChannels(TorchFunctionMode):
    """Give two-dimensional convolutions of few channels a faster input gradient inside the block.

    With fixed weights, that gradient is computed as a convolution too.

    The gradient of `y = w * x` (stride 1) is the full correlation of `dy` with w turned round, `dx
    = turned(w) * dy`: the same numbers to rounding. torch asks oneDNN for it, whose routine for
    gradients is slow where there is one input channel or three, as in the first layer of a network
    for small images; there it is most of a backward pass. All else is left to torch: other strides,
    dilations, groups, precisions, devices, and weights that want gradients.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is functional.conv2d and not kwargs and (result := _convolved(*args)) is not None:
            return result
        return func(*args, **(kwargs or {}))


def _convolved(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    """Return what `conv2d` gives if the convolution is one of those; else None."""
    if (
        not torch.is_grad_enabled()
        or not images.requires_grad
        or images.dim() != 4
        or isinstance(padding, str)
    ):
        return None
    plain = _pair(stride) == _pair(dilation) == (1, 1) and groups == 1
    fixed = not weight.requires_grad and (bias is None or not bias.requires_grad)
    narrow = weight.shape[1] <= FEW_IN and weight.shape[0] < FEW_OUT
    inner = all(pad < size for pad, size in zip(_pair(padding), weight.shape[2:], strict=True))
    if torch.is_autocast_enabled(images.device.type):
        return None
    single = images.device.type == "cpu" and images.dtype == weight.dtype == torch.float32
    return (
        _Convolution.apply(images, weight, bias, _pair(padding))
        if plain and fixed and narrow and inner and single
        else None
    )


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value) * (2 // len(value))


class _Convolution(torch.autograd.Function):
    """`conv2d(images, weight, bias, padding=padding)`, differentiated in the images alone."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        images: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]
    ) -> Tensor:
        return functional.conv2d(images, weight, bias, padding=padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, weight, _, ctx.padding = inputs
        ctx.save_for_backward(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors
        height, width = (
            size - 1 - pad for size, pad in zip(weight.shape[2:], ctx.padding, strict=True)
        )
        return (
            functional.conv2d(gradient, weight.flip(2, 3).transpose(0, 1), padding=(height, width)),
            None,
            None,
            None,
        )
