"""The layer that a call of torch is, for each function that bounds are known of."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

from advcore.certify.layers import (
    Affine,
    Averaged,
    Elementwise,
    Relaxed,
    Summed,
    Weighted,
    pulled_back,
)
from advcore.certify.relaxed_layers import MaxPool, ReLU
from advcore.certify.spectral_norms import convolution_norm, matrix_norm

CONVOLUTION: dict[str, Any] = {
    "input": None, "weight": None, "bias": None,
    "stride": 1, "padding": 0, "dilation": 1, "groups": 1,
}  # fmt: skip
"""Arguments of a convolution, in torch's order, with their defaults."""

POOLING: dict[str, Any] = {
    "input": None, "kernel_size": None, "stride": None,
    "padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False,
}  # fmt: skip
"""Arguments of a max pooling, in torch's order, with their defaults."""


@dataclass(frozen=True, eq=False)
class Call:
    """A call of torch: its function, arguments and result.

    - `places`: which of the positional arguments come of the classifier's inputs.
    """

    function: Any
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    result: Any
    places: tuple[int, ...]

    @property
    def name(self) -> str:
        """The function's name, or an attribute's; the same in place and as an operator."""
        name = self.function.__name__
        return self.function.__self__.__name__ if name == "__get__" else name.strip("_")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample of the first input."""
        return tuple(self.args[self.places[0]].shape[1:])

    def again(self, values: Tensor) -> Any:
        """Call the function on other values `(N, *shape)` in place of its one input."""
        args = [values if at in self.places else value for at, value in enumerate(self.args)]
        return self.function(*args, **self.keywords)

    def arguments(self, defaults: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by name."""
        return {**defaults, **dict(zip(defaults, self.args, strict=False)), **self.keywords}


def layer_of(call: Call) -> Affine | Relaxed | None:
    """Return the layer that a call is, None for one that changes nothing.

    Raises ValueError, which names the function, where no bounds are known of it.
    """
    if call.name not in LAYERS:
        raise _unknown(
            call,
            f"known are {', '.join(sorted(LAYERS))}: write the network with these, or measure it "
            "with attacks alone",
        )
    return LAYERS[call.name](call)


def _linear(call: Call) -> Affine:
    _check_inputs(call, (0,))
    given = call.arguments({"input": None, "weight": None, "bias": None})
    return _dense(given["weight"], given["bias"])


def _matmul(call: Call) -> Affine:
    _check_inputs(call, (0,))
    if call.args[1].dim() != 2:
        raise _unknown(call, "with anything but a matrix")
    return _dense(call.args[1].mT, None)


def _dense(weight: Tensor, bias: Tensor | None) -> Weighted:
    offset = weight.new_zeros(()) if bias is None else bias
    return Weighted(F.linear, torch.matmul, weight, offset, lambda shape: matrix_norm(weight))


def _convolution(call: Call) -> Affine:
    _check_inputs(call, (0,))
    given, shape = call.arguments(CONVOLUTION), call.shape
    how = [given[name] for name in ("stride", "padding", "dilation", "groups")]
    if isinstance(how[1], str):
        raise _unknown(call, f"with padding {how[1]!r}: give it in pixels")

    def operator(values: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(values, weight, None, *how)

    def adjoint(forms: Tensor, weight: Tensor) -> Tensor:
        return conv2d_input((len(forms), *shape), weight, forms, *how)

    def norm(shape: tuple[int, ...]) -> float:
        side, stride, dilation = shape[-2:], _pair(how[0]), _pair(how[2])
        return convolution_norm(weight, side, stride, dilation, how[3])

    weight, bias = given["weight"], given["bias"]
    offset = weight.new_zeros(()) if bias is None else bias.view(-1, 1, 1)
    return Weighted(operator, adjoint, weight, offset, norm)


def _scaled(call: Call) -> Affine:
    """A function that is affine unit by unit: its slope is the scale, its value at 0 the offset."""
    _check_inputs(call, (0,), (1,))
    zeros = call.args[call.places[0]].new_zeros((1, *call.shape))

    def function(values: Tensor) -> Tensor:
        return call.again(values.clone())  # the call may be one in place

    offset = function(zeros)
    if offset.shape != zeros.shape:
        raise _unknown(call, "where it makes more units than it gets, or differs by sample")
    return Elementwise(pulled_back(function, zeros, torch.ones_like(zeros)), offset)


def _quotient(call: Call) -> Affine:
    _check_inputs(call, (0,))
    if "rounding_mode" in call.keywords:
        raise _unknown(call, "with rounding")
    return _scaled(call)


def _normalised(call: Call) -> Affine:
    if call.keywords.get("training", True):
        raise _unknown(call, "by the batch's statistics: call eval(), with running statistics")
    return _scaled(call)


def _sum(call: Call) -> Affine:
    if call.places != (0, 1):
        return _scaled(call)
    one, other = call.args[:2]
    if one.shape != other.shape or call.keywords:
        raise _unknown(call, "of two layers of other shapes, or with factors")
    return Summed()


def _averaged(call: Call) -> Affine:
    _check_inputs(call, (0,))
    return Averaged(call.again, call.shape)


def _reshaped(call: Call) -> Affine:
    _check_inputs(call, (0,))
    after = tuple(call.result.shape[1:])
    return Averaged(lambda values: values.reshape(len(values), *after), call.shape, keeps=True)


def _relu(call: Call) -> Relaxed:
    return ReLU()


def _max_pool(call: Call) -> Relaxed:
    given = call.arguments(POOLING)
    kernel, stride = _pair(given["kernel_size"]), _pair(given["stride"] or given["kernel_size"])
    how = [given[name] for name in ("padding", "dilation", "ceil_mode")]

    def function(values: Tensor) -> tuple[Tensor, Tensor]:
        return F.max_pool2d(values, kernel, stride, *how, return_indices=True)

    dilated = _pair(given["dilation"]) != (1, 1)
    overlap = math.prod(
        side if dilated else math.ceil(side / step)
        for side, step in zip(kernel, stride, strict=True)
    )
    return MaxPool(function, overlap)


def _dropped(call: Call) -> None:
    if call.keywords.get("training", True):
        raise _unknown(call, "in training mode: call eval() first")


def _nothing(call: Call) -> None:
    return None


def _pair(sizes: int | tuple[int, ...]) -> tuple[int, ...]:
    return (sizes, sizes) if isinstance(sizes, int) else tuple(sizes)


def _check_inputs(call: Call, *allowed: tuple[int, ...]) -> None:
    """Raise ValueError unless the classifier's inputs lead to one of these arguments alone."""
    if call.places not in allowed:
        raise _unknown(call, "where both its arguments hang on the input, or the wrong one does")


def _unknown(call: Call, why: str) -> ValueError:
    return ValueError(f"no bounds are known of {call.name!r}, {why}")


LAYERS: dict[str, Callable[[Call], Affine | Relaxed | None]] = {
    "linear": _linear,
    "matmul": _matmul,
    "conv2d": _convolution,
    "batch_norm": _normalised,
    "sub": _scaled,
    "rsub": _scaled,
    "mul": _scaled,
    "neg": _scaled,
    "div": _quotient,
    "add": _sum,
    "mean": _averaged,
    "avg_pool2d": _averaged,
    "adaptive_avg_pool2d": _averaged,
    "flatten": _reshaped,
    "view": _reshaped,
    "reshape": _reshaped,
    "relu": _relu,
    "max_pool2d": _max_pool,
    "dropout": _dropped,
    "contiguous": _nothing,
}
"""The functions of torch that bounds are known of, by name."""
