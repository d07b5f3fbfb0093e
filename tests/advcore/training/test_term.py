import oracles
import pytest
import torch

from advcore import Randomness
from advcore.training import CrossEntropy

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.arange(6))


def test_smoothing_mixes_the_label_with_all_classes():
    """The target is `(1 - s)` on the label and `s / K` on each class."""
    network = oracles.relu()
    surprise = -network(IMAGES).log_softmax(1)
    expected = 0.9 * surprise.gather(1, LABELS[:, None])[:, 0] + 0.1 * surprise.mean(1)
    torch.testing.assert_close(
        CrossEntropy(smoothing=0.1)(network, IMAGES, LABELS, SOURCE), expected.mean()
    )
    plain = CrossEntropy()(network, IMAGES, LABELS, SOURCE)
    torch.testing.assert_close(plain, surprise.gather(1, LABELS[:, None]).mean())


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_a_smoothing_that_is_no_share_is_refused(smoothing):
    with pytest.raises(
        ValueError,
        match=rf"smoothing must lie in \[0, 1\), 0 for the labels as they are; got {smoothing}",
    ):
        CrossEntropy(smoothing=smoothing)
