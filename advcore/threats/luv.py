"""Colours in CIE-LUV, scaled to [0, 1] (CIE 1976; white point D65, sRGB).

Both ways can be differentiated at black, where the conversions of libraries give NaN.
"""

import torch
from torch import Tensor

_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE_U, _WHITE_V = 0.19783982, 0.46833630
"""The chromaticity u', v' of D65."""
_RANGES = ((0.0, 100.0), (-83.1, 175.1), (-134.2, 107.5))
"""The values of L, u and v that colours of sRGB have."""
_TINY = 1e-6


def rgb_to_luv(images: Tensor) -> Tensor:
    """Return sRGB `(B, 3, H, W)` in [0, 1] as L, u, v, each scaled from its range to [0, 1]."""
    steep = ((images.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    linear = torch.where(images <= 0.04045, images / 12.92, steep)
    matrix = images.new_tensor(_TO_XYZ)
    x, y, z = torch.einsum("ij,bjhw->bihw", matrix, linear).unbind(1)
    whole = x + 15 * y + 3 * z + _TINY
    cube = 116 * y.clamp(min=0.008856) ** (1 / 3) - 16
    light = torch.where(y <= 0.008856, 903.3 * y, cube)
    # a little white stands in for black, whose chromaticity is any
    u = 13 * light * ((4 * x + _TINY * _WHITE_U) / whole - _WHITE_U)
    v = 13 * light * ((9 * y + _TINY * _WHITE_V) / whole - _WHITE_V)
    return torch.stack(
        [
            (own - low) / (high - low)
            for own, (low, high) in zip((light, u, v), _RANGES, strict=True)
        ],
        1,
    )


def luv_to_rgb(luv: Tensor) -> Tensor:
    """Return L, u, v as `rgb_to_luv` gives them as sRGB, cut at [0, 1]."""
    light, u, v = (
        own * (high - low) + low for own, (low, high) in zip(luv.unbind(1), _RANGES, strict=True)
    )
    light = light.clamp(0, 100)
    scale = 13 * light + 13 * _TINY
    u, v = u / scale + _WHITE_U, (v / scale + _WHITE_V).clamp(min=1e-2)
    y = torch.where(light <= 8, light / 903.3, ((light.clamp(min=8) + 16) / 116) ** 3)
    x, z = 9 * u / (4 * v) * y, (12 - 3 * u - 20 * v) / (4 * v) * y
    matrix = torch.linalg.inv(luv.new_tensor(_TO_XYZ))
    linear = torch.einsum("ij,bjhw->bihw", matrix, torch.stack([x, y, z], 1)).clamp(0, 1)
    steep = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, steep)
