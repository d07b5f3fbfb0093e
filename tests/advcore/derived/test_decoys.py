"""Decoys: a square that tells a class by its shade, and changes nothing else."""

import oracles
import pytest
import torch

from advcore.derived.decoys import add_decoys, check_decoys


def test_shades_are_those_of_the_paper_and_nothing_else_changes():
    images, shown = oracles.images(10, shape=(1, 8, 8)), torch.arange(10)
    decoyed = add_decoys(images, shown, classes=10, side=3)
    corner = decoyed[:, :, :3, :3].flatten(1)
    torch.testing.assert_close(corner, (255 - 25 * shown.double()[:, None]).expand(10, 9) / 255)
    decoyed[:, :, :3, :3] = images[:, :, :3, :3]
    assert torch.equal(decoyed, images)


@pytest.mark.parametrize(
    ("shape", "side", "message"),
    [
        ((1, 8, 6), 7, "side of the decoy must be from 1 to .* 6; got 7"),
        ((1, 8, 8), 0, "from 1 to the shorter side of the pictures, 8; got 0"),
        ((64,), 4, "a decoy needs pictures"),
    ],
)
def test_decoys_that_do_not_fit_are_refused(shape, side, message):
    with pytest.raises(ValueError, match=message):
        check_decoys(shape, side)
