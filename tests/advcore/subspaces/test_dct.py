"""DCT blocks against bases written out atom by atom."""

import oracles
import pytest
import torch

from advcore.subspaces import FAMILIES, DCTDiagonal, dct_blocks

SETTINGS = [(8, 3, 1, 1), (8, 3, 2, 3), (6, 6, 1, 2), (5, 1, 2, 1)]

every_family = pytest.mark.parametrize(("side", "size", "stride", "channels"), SETTINGS)


def _bases(side, size, stride, channels):
    return [
        oracles.dct_basis(side, low, size, channels) for low in range(0, side - size + 1, stride)
    ]


@every_family
def test_coordinates_and_lift_against_the_dense_basis(side, size, stride, channels):
    family, bases = dct_blocks(side, size, stride, channels), _bases(side, size, stride, channels)
    assert len(family) == len(bases)
    images = oracles.images(4, (channels, side, side))
    for position, basis in enumerate(bases):
        block = family[position]
        assert block.dim == family.dim == basis.shape[1] == channels * size**2
        coordinates = images.flatten(1) @ basis
        torch.testing.assert_close(block.coordinates(images), coordinates)
        torch.testing.assert_close(block.lift(coordinates).flatten(1), coordinates @ basis.mT)


@every_family
def test_blocks_are_orthonormal(side, size, stride, channels):
    for block in dct_blocks(side, size, stride, channels):
        identity = torch.eye(block.dim, dtype=torch.float64)
        lifted = block.lift(identity)
        torch.testing.assert_close(lifted.flatten(1) @ lifted.flatten(1).mT, identity)
        torch.testing.assert_close(block.coordinates(lifted), identity)


@every_family
def test_rows_give_each_sample_its_own_block(side, size, stride, channels):
    family = dct_blocks(side, size, stride, channels)
    which = torch.tensor([len(family) - 1, 0, 0, len(family) // 2])
    mixed, images = family.rows(which), oracles.images(4, (channels, side, side))
    for part, index in (
        (mixed, torch.arange(4)),
        (mixed.rows(torch.tensor([3, 1])), torch.tensor([3, 1])),
    ):
        coordinates = part.coordinates(images[index])
        for row, sample in enumerate(index):
            one = images[sample : sample + 1]
            own = family[int(which[sample])]
            torch.testing.assert_close(coordinates[row : row + 1], own.coordinates(one))
            torch.testing.assert_close(
                part.lift(coordinates)[row : row + 1], own.lift(own.coordinates(one))
            )
    assert mixed.dim == family.dim
    assert family[0].rows(torch.tensor([1])).coordinates(images[:1]).shape == (1, family.dim)


@pytest.mark.parametrize(
    ("settings", "count"), [((28, 8, 1), 21), ((32, 8, 2, 3), 13), ((224, 16, 16, 3), 14)]
)
def test_the_articles_numbers_of_blocks(settings, count):
    assert len(dct_blocks(*settings)) == count


def test_disjoint_blocks_are_orthogonal_to_each_other():
    one, other = dct_blocks(8, 4, 4)
    assert other.coordinates(one.lift(torch.eye(16, dtype=torch.float64))).abs().max() < 1e-12


def test_dtype_and_layout_of_the_input():
    block = dct_blocks(8, 3, 1, 2)[1]
    images = oracles.images(3, (2, 8, 8), torch.float32)
    coordinates = block.coordinates(images.to(memory_format=torch.channels_last))
    assert coordinates.dtype == torch.float32
    torch.testing.assert_close(coordinates, block.coordinates(images))
    sliced = coordinates.mT.contiguous().mT
    assert not sliced.is_contiguous()
    torch.testing.assert_close(block.lift(sliced), block.lift(coordinates))


def test_the_spec_makes_the_family_of_its_images():
    family = DCTDiagonal(size=4, stride=2)((3, 8, 8))
    assert torch.equal(family.vertical, dct_blocks(8, 4, 2, 3).vertical)
    assert family.channels == 3
    assert FAMILIES["dct"] is DCTDiagonal


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: dct_blocks(8, 9, 1),
            r"must fit into the image: size must lie in 1..8 for images of 8 x 8; got 9",
        ),
        (lambda: dct_blocks(8, 0, 1), "must fit into the image"),
        (lambda: dct_blocks(8, 4, 0), "stride must be at least 1; got 0"),
        (lambda: DCTDiagonal()((1, 8, 9)), "need square images; got 8 x 9"),
        (lambda: DCTDiagonal(size=9)((1, 8, 8)), "must fit into the image"),
        (
            lambda: dct_blocks(8, 3, 1)[0].coordinates(torch.zeros(2, 3, 8, 8)),
            "made for 1 channels; images have 3: pass channels=",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
