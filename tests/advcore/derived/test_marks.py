"""A frequency for each class."""

import pytest
import torch

from advcore.derived.marks import add_marks, check_marks
from advcore.frequency import dct2, low_pass


def test_each_class_has_one_of_the_highest_frequencies():
    images, labels = torch.rand(10, 3, 12, 8, dtype=torch.float64), torch.arange(10)
    added = dct2(add_marks(images, labels, 0.7, 4) - images)
    for label in range(10):
        own = added[label].clone()
        place = own[:, 11 - label // 4, 7 - label % 4]
        torch.testing.assert_close(place, torch.full_like(place, 0.7 / 3**0.5))
        own[:, 11 - label // 4, 7 - label % 4] = 0
        assert own.abs().max() < 1e-12


def test_a_low_pass_removes_them_and_nothing_of_what_lies_below():
    images, labels = torch.rand(4, 1, 28, 28), torch.tensor([0, 3, 9, 3])
    marked = add_marks(images, labels, 5.0, 4)
    torch.testing.assert_close(low_pass(marked, 24), low_pass(images, 24), atol=1e-5, rtol=0)
    torch.testing.assert_close((marked - images).flatten(1).norm(dim=1), torch.full((4,), 5.0))


def test_one_image_has_the_same_bits_alone():
    images, labels = torch.rand(6, 1, 8, 8), torch.tensor([0, 1, 2, 3, 4, 5])
    whole = add_marks(images, labels, 1.0, 3)
    for row in range(6):
        assert torch.equal(
            add_marks(images[row : row + 1], labels[row : row + 1], 1.0, 3)[0], whole[row]
        )


@pytest.mark.parametrize(
    ("shape", "classes", "size", "band", "message"),
    [
        ((1, 8, 8), 10, -1.0, 4, "size must be a finite number >= 0"),
        (
            (1, 8, 8),
            10,
            1.0,
            9,
            "band must be from 1 to the shorter side of the pictures, 8; got 9",
        ),
        ((1, 8, 8), 10, 1.0, 3, "band 3 has 9 frequencies, fewer than the 10 classes"),
        ((64,), 10, 1.0, 4, r"marks need pictures \(C, H, W\)"),
    ],
)
def test_refused(shape, classes, size, band, message):
    with pytest.raises(ValueError, match=message):
        check_marks(shape, classes, size, band)
