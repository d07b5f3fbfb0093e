"""Layers that networks choose by name: activations, normalisations, poolings."""

import math
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

from torch import Tensor, nn

ActivationName = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "tanh"]
NormName = Literal["none", "batch", "group", "layer"]
PoolingName = Literal["max", "average"]

_ACTIVATIONS: dict[ActivationName, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}

_Name = TypeVar("_Name", bound=str)
_Value = TypeVar("_Value")


def activation_layer(name: ActivationName) -> nn.Module:
    """Return a new activation, with torch's settings of it."""
    return _chosen("activation", name, _ACTIVATIONS)()


def norm_layer(name: NormName, channels: int, rows: bool = False) -> nn.Module:
    """Return a new normalisation of `channels` channels.

    `group` has groups of equal size, 32 of them where that divides the channels, else as many as
    divide both (Wu and He 2018); `layer` is one group; neither knows the batch. `none` gives an
    identity.

    Args:
        name: kind of the normalisation.
        channels: number of channels C.
        rows: whether the inputs are `(B, C)` in place of `(B, C, H, W)`.
    """
    batch = nn.BatchNorm1d if rows else nn.BatchNorm2d
    kinds: dict[NormName, Callable[[], nn.Module]] = {
        "none": nn.Identity,
        "batch": lambda: batch(channels),
        "group": lambda: nn.GroupNorm(math.gcd(32, channels), channels),
        "layer": lambda: nn.GroupNorm(1, channels),
    }
    return _chosen("norm", name, kinds)()


def norm_layers(name: NormName, channels: int, rows: bool = False) -> list[nn.Module]:
    """Return the normalisation for a list of layers, nothing for `none`; see `norm_layer`."""
    layer = norm_layer(name, channels, rows)
    return [] if name == "none" else [layer]


def dropout_layers(probability: float) -> list[nn.Module]:
    """Return dropout for a list of layers, nothing for the probability 0.

    Raises ValueError for a probability outside [0, 1).
    """
    layer = dropout_layer(probability)
    return [layer] if probability else []


def dropout_layer(probability: float) -> nn.Dropout:
    """Return dropout that sets a number to 0 with a probability in [0, 1)."""
    if not 0 <= probability < 1:
        raise ValueError(f"dropout must lie in [0, 1); got {probability}")
    return nn.Dropout(probability)


def pooling_layer(name: PoolingName, ceil_mode: bool = False) -> nn.Module:
    """Return a pooling by 2; `ceil_mode` keeps what is left over at an edge."""
    kinds: dict[PoolingName, Callable[[], nn.Module]] = {
        "max": lambda: nn.MaxPool2d(2, ceil_mode=ceil_mode),
        "average": lambda: nn.AvgPool2d(2, ceil_mode=ceil_mode),
    }
    return _chosen("pooling", name, kinds)()


def over_pixels(name: PoolingName) -> Callable[[Tensor], Tensor]:
    """Return the mean or the maximum over the pixels, from `(B, C, H, W)` to `(B, C)`."""
    return _chosen("pooling", name, {"max": _maximum, "average": _mean})


def scaled(count: int, width: float) -> int:
    """Return `count` channels or units times the factor `width`, at least 1.

    Raises ValueError for a width that is not positive.
    """
    if not width > 0:
        raise ValueError(f"width must be positive; got {width}")
    return max(1, round(count * width))


def check_width(width: int) -> None:
    """Raise ValueError for a number of channels or units that is none."""
    if width < 1:
        raise ValueError(f"width must be at least 1; got {width}")


def _mean(images: Tensor) -> Tensor:
    return images.mean((2, 3))


def _maximum(images: Tensor) -> Tensor:
    return images.amax((2, 3))


def _chosen(field: str, name: _Name, kinds: Mapping[_Name, _Value]) -> _Value:
    if name not in kinds:
        raise ValueError(f"{field} must be one of {', '.join(kinds)}; got {name!r}")
    return kinds[name]
