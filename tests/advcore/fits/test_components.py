"""Principal components against the singular value decomposition of all samples."""

import oracles
import pytest
import torch
from learning import assert_resumes, learn, shards

from advcore.fits import Components, FitSamples

IMAGES = oracles.images(30, (1, 6, 6), torch.float32)


def nobody(inputs):
    raise AssertionError("no network is looked at")


def test_they_are_those_of_all_samples_whatever_their_labels():
    state = learn(Components(4), nobody, shards(IMAGES, [11, 19], torch.arange(30) % 3), 3)
    flat = IMAGES.flatten(1).double()
    _, values, directions = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    variance = values.square() / len(flat)
    own = state.tensors["directions"].flatten(1).double()
    torch.testing.assert_close((own * directions[:4]).sum(1).abs(), torch.ones(4).double())
    torch.testing.assert_close(state.tensors["variance"].double(), variance[:4])
    torch.testing.assert_close(state.tensors["trace"].double(), variance.sum())
    torch.testing.assert_close(state.tensors["mean"], IMAGES.mean(0))


def test_a_killed_driver_goes_on():
    assert_resumes(Components(3), nobody, shards(IMAGES, [11, 19]), 3)


def test_more_directions_than_there_are_is_refused():
    with pytest.raises(ValueError, match="directions must be at least 1; got 0"):
        Components(0)
    with pytest.raises(ValueError, match="must not exceed the inputs' dimension, 36; got 40"):
        Components(40).validate(FitSamples((1, 6, 6), 3, 30))
