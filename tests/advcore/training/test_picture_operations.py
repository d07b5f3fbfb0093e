"""Operations on pictures against PIL on 8 bits, and in closed form."""

import numpy
import oracles
import pytest
import torch
from PIL import Image, ImageOps

from advcore.training.picture_operations import (
    autocontrast,
    equalised,
    posterised,
    rotated,
    sheared,
    solarised,
    translated,
)

HEIGHT, WIDTH = 20, 26


def _pictures():
    """Greys of few and of many pixels, one constant, one nearly black, one of two greys."""
    bytes_ = (255 * oracles.images(8, (3, HEIGHT, WIDTH), torch.float32)).round()
    bytes_[1] = (bytes_[1] - 128).clamp(min=0)
    bytes_[2] = 60 + (bytes_[2] / 4).round()
    bytes_[3] = 77
    bytes_[4, :, 4:] = 0
    bytes_[5] = torch.where(bytes_[5] > 128, 200.0, 100.0)
    return bytes_ / 255


PICTURES = _pictures()


def _pil(picture):
    return Image.fromarray((255 * picture).round().permute(1, 2, 0).to(torch.uint8).numpy())


def _tensor(picture):
    return torch.from_numpy(numpy.asarray(picture).copy()).permute(2, 0, 1).float() / 255


def _affine(*numbers):
    return lambda picture: picture.transform(
        picture.size, Image.Transform.AFFINE, numbers, resample=Image.Resampling.BILINEAR
    )


def _row(value):
    return torch.full((len(PICTURES),), value)


@pytest.mark.parametrize(
    ("ours", "theirs", "wrong"),
    [
        (equalised(PICTURES), ImageOps.equalize, 0),
        (autocontrast(PICTURES), ImageOps.autocontrast, 1),  # PIL rounds down
        *(
            (
                posterised(PICTURES, _row(bits)),
                lambda own, bits=bits: ImageOps.posterize(own, bits),
                0,
            )
            for bits in (1, 3, 4, 8)
        ),
        *(
            (solarised(PICTURES, _row(at)), lambda own, at=at: ImageOps.solarize(own, at), 0)
            for at in (0, 100, 200, 256)
        ),
        *(
            (
                rotated(PICTURES, _row(turn)),
                lambda own, turn=turn: own.rotate(turn, Image.Resampling.BILINEAR),
                1,
            )
            for turn in (-9.0, 7.0, 30.0)
        ),
        (sheared(PICTURES, _row(0.2), 0), _affine(1, 0.2, 0, 0, 1, 0), 1),
        (sheared(PICTURES, _row(-0.2), 1), _affine(1, 0, 0, -0.2, 1, 0), 1),
        (translated(PICTURES, _row(3.0), 0), _affine(1, 0, 3, 0, 1, 0), 0),
        (translated(PICTURES, _row(-2.0), 1), _affine(1, 0, 0, 0, 1, -2), 0),
    ],
)  # fmt: skip
def test_they_are_those_of_pil(ours, theirs, wrong):
    expected = torch.stack([_tensor(theirs(_pil(picture))) for picture in PICTURES])
    assert (ours - expected).abs().max() <= (wrong + 1e-3) / 255


@pytest.mark.parametrize(
    "operation",
    [
        lambda own: rotated(own, _row(0.0)),
        lambda own: sheared(own, _row(0.0), 0),
        lambda own: sheared(own, _row(0.0), 1),
        lambda own: translated(own, _row(0.0), 0),
        lambda own: translated(own, _row(0.0), 1),
        lambda own: posterised(own, _row(8)),
        lambda own: solarised(own, _row(256)),
    ],
)
def test_nothing_is_changed_by_nothing(operation):
    torch.testing.assert_close(operation(PICTURES), PICTURES, atol=1e-5, rtol=0)


def test_a_quarter_turn_is_exact_on_squares():
    squares = PICTURES[..., :HEIGHT]
    turned = rotated(squares, torch.tensor([90.0, 180, 270, -90, 0, 90, 90, 90]))
    for own, square, quarters in zip(turned, squares, (1, 2, 3, 3, 0, 1, 1, 1), strict=True):
        torch.testing.assert_close(own, square.rot90(quarters, (1, 2)), atol=1e-4, rtol=0)
