"""JPEG compression: what is left of an image after quantisation of its 8 x 8 blocks."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness

_LUMINANCE = """
16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56  14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92  49 64 78 87 103 121 120 101
72 92 95 98 112 100 103 99
"""
_CHROMINANCE = (
    """
17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99  47 66 99 99 99 99 99 99
"""
    + 4 * " 99 99 99 99 99 99 99 99"
)
_TO_YCC = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
_FACTORS = (
    *(0.541196100, 0.765366865, 1.847759065),
    *(0.298631336, 2.053119869, 3.072711026, 1.501321110),
    *(0.899976223, 2.562915447, 1.961570560, 0.390180644, 1.175875602),
)
_TO_RGB = ((0, 1.402), (-0.34414, -0.71414), (1.772, 0))


def jpeg_compression(images: Tensor, randomness: Randomness, quality: float) -> Tensor:
    """Return the images as a JPEG file of this quality, 1 to 100, shows them.

    As libjpeg does it, in whole numbers: YCbCr, colour differences at half the resolution, the DCT
    of 8 x 8 blocks, quantised by the standard's tables (ITU T.81, annex K) scaled by the quality,
    and back, with the weights 3/4 and 1/4 where the colour differences are enlarged. A grey image
    is its own luminance.
    """
    levels = torch.round(images * 255)
    if images.shape[1] == 1:
        return _stored(levels, _table(_LUMINANCE, quality)) / 255
    luminance, differences = _split(levels)
    luminance = _stored(luminance, _table(_LUMINANCE, quality))
    halved = _stored(_halved(differences), _table(_CHROMINANCE, quality))
    doubled = _doubled(halved)[..., : images.shape[-2], : images.shape[-1]]
    return _joined(luminance, doubled) / 255


def _fixed(numbers: object, bits: int) -> Tensor:
    """Return numbers as multiples of `2^-bits`, whole, in float64."""
    return torch.round(torch.tensor(numbers, dtype=torch.float64) * 2**bits)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """Return `numbers / 2^bits`, rounded, halves up."""
    return torch.floor(numbers / 2**bits + 0.5)


def _split(levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the luminance `(B, 1, H, W)` and both colour differences `(B, 2, H, W)`."""
    turned = torch.einsum("kc,bchw->bkhw", _fixed(_TO_YCC, 16).to(levels), levels)
    return _shifted(turned[:, :1], 16), _shifted(turned[:, 1:] - 1, 16) + 128


def _joined(luminance: Tensor, differences: Tensor) -> Tensor:
    added = torch.einsum("kc,bchw->bkhw", _fixed(_TO_RGB, 16).to(differences), differences - 128)
    return (luminance + _shifted(added, 16)).clamp(0, 255)


def _halved(planes: Tensor) -> Tensor:
    """Return means over 2 x 2 pixels; halves are rounded down and up by turns along a row."""
    height, width = planes.shape[-2:]
    even = pad(planes, (0, width % 2, 0, height % 2), mode="replicate")
    sums = even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]
    turns = 1 + torch.arange(sums.shape[-1], device=planes.device) % 2
    return torch.floor((sums + turns) / 4)


def _doubled(planes: Tensor) -> Tensor:
    """Return planes twice as large, between pixels with the weights 3/4 and 1/4."""
    around = pad(planes, (1, 1, 1, 1), mode="replicate")
    middle = around[..., 1:-1, :]
    rows = torch.stack([3 * middle + around[..., :-2, :], 3 * middle + around[..., 2:, :]], -2)
    rows = rows.flatten(-3, -2)
    middle = rows[..., 1:-1]
    left = torch.floor((3 * middle + rows[..., :-2] + 8) / 16)
    right = torch.floor((3 * middle + rows[..., 2:] + 7) / 16)
    return torch.stack([left, right], -1).flatten(-2)


def _stored(planes: Tensor, table: Tensor) -> Tensor:
    """Return planes `(B, C, H, W)` of levels after the quantisation of their blocks."""
    batch, channels, height, width = planes.shape
    whole = pad(planes, (0, -width % 8, 0, -height % 8), mode="replicate") - 128
    down, across = whole.shape[-2] // 8, whole.shape[-1] // 8
    blocks = whole.view(batch, channels, down, 8, across, 8).transpose(3, 4)
    matrix, table = _cosines().to(planes), table.to(planes)
    eightfold = _shifted(matrix @ _shifted(blocks @ matrix.mT, 11), 15)
    kept = eightfold.sign() * torch.floor((eightfold.abs() / table + 4) / 8) * table
    shown = _shifted(_shifted(matrix.mT @ kept, 11) @ matrix, 18) + 128
    return shown.clamp(0, 255).transpose(3, 4).reshape(whole.shape)[..., :height, :width]


@lru_cache(maxsize=1)
def _cosines() -> Tensor:
    """Return libjpeg's DCT (8, 8), `sqrt(8)` times the orthonormal one, in multiples of 2^-13.

    Its flow graph (Loeffler, Ligtenberg and Moschytz 1989) adds rounded constants, so that its
    numbers are not the rounded cosines.
    """
    fixed = _fixed(_FACTORS, 13).tolist()
    two, four, six, a, b, c, d, ad, bc, ac, bd, every = fixed
    ac, bd = every - ac, every - bd  # what both of a pair share
    one = 2.0**13
    halves = (
        (one, one, one, one),
        (d - ad + bd, every, bd, every - ad),
        (two + four, two, -two, -two - four),
        (every, c - bc + ac, every - bc, ac),
        (one, -one, -one, one),
        (bd, every - bc, b - bc + bd, every),
        (two, two - six, six - two, -two),
        (every - ad, ac, every, a - ad + ac),
    )
    rows = [[*half, *((-1) ** k * x for x in half[::-1])] for k, half in enumerate(halves)]
    return torch.tensor(rows, dtype=torch.float64)


def _table(numbers: str, quality: float) -> Tensor:
    """Return the table (8, 8) by which coefficients are divided at a quality."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = torch.tensor([int(number) for number in numbers.split()], dtype=torch.float64)
    return torch.floor((base * scale + 50) / 100).clamp(1, 255).view(8, 8)


JPEG_COMPRESSION = Corruption(
    jpeg_compression,
    small=((80,), (65,), (58,), (50,), (40,)),
    medium=((65,), (58,), (50,), (40,), (25,)),
    large=((25,), (18,), (15,), (10,), (7,)),
)
