import math

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.curvature import fools, random_basis, random_vectors

COUNT, DIMENSION = 5, 16
ONE = Randomness(0, torch.zeros(1, dtype=torch.int64))


def test_random_vectors_have_their_length_and_lie_in_their_span():
    basis = random_basis(ONE, 3, DIMENSION, torch.float64)
    vectors = random_vectors(Randomness(0, torch.arange(COUNT)), 200, 3, 0.7, torch.float64) @ basis
    assert vectors.shape == (COUNT, 200, DIMENSION)
    torch.testing.assert_close(
        vectors.norm(dim=2), torch.full((COUNT, 200), 0.7, dtype=torch.float64)
    )
    torch.testing.assert_close(vectors @ basis.mT @ basis, vectors)
    second_moment = (
        (vectors @ basis.mT).flatten(0, 1).mT @ (vectors @ basis.mT).flatten(0, 1) / (COUNT * 200)
    )
    torch.testing.assert_close(
        second_moment, 0.49 / 3 * torch.eye(3, dtype=torch.float64), rtol=0, atol=0.02
    )
    assert torch.equal(
        random_vectors(ONE, 4, 3, 1.0, torch.float64), random_vectors(ONE, 4, 3, 1.0, torch.float64)
    )


def test_vectors_fool_an_affine_classifier_just_beyond_its_margin_along_them():
    affine, images = oracles.Affine(2), oracles.images(COUNT)
    normal = affine.weight.detach()[1] - affine.weight.detach()[0]
    towards = (
        torch.where(affine(images).argmax(1) == 0, 1.0, -1.0)[:, None] * normal / normal.norm()
    )
    margins = affine.margins(images)[:, None]
    vectors = torch.stack(
        [0.99 * margins * towards, 1.01 * margins * towards, -5 * margins * towards], 1
    )
    assert fools(affine, images, vectors).tolist() == [[False, True, False]] * COUNT


def test_shared_vectors_fool_at_the_rate_of_the_closed_form():
    """In the plane of the normal and one direction of the boundary, angles within acos(margin /
    size) of the normal fool.
    """
    affine, image = oracles.Affine(2), oracles.images(1)
    normal = affine.weight.detach()[1] - affine.weight.detach()[0]
    other = torch.linalg.qr(torch.stack([normal, torch.ones_like(normal)], 1)).Q.mT
    size = 2 * affine.margins(image).item()
    rate = (
        fools(affine, image, random_vectors(ONE, 4000, 2, size, torch.float64) @ other)
        .double()
        .mean()
        .item()
    )
    expected = math.acos(0.5) / math.pi  # angles on one side, of 2 pi
    assert abs(rate - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000)


def test_rows_bound_memory_alone_and_the_model_is_left_alone():
    network, images, widest = oracles.Moody(), oracles.images(COUNT), []
    before = oracles.state(network)

    def watched(some):
        widest.append(len(some))
        return network.eval()(some)

    vectors = random_vectors(ONE, 7, DIMENSION, 1.0, torch.float64)
    whole = fools(network, images, vectors)
    assert oracles.state(network) == before
    assert whole.any()
    assert not whole.all()
    assert torch.equal(fools(watched, images, vectors, rows=2 * COUNT), whole)
    assert max(widest) == 2 * COUNT


def test_logits_that_are_no_numbers_fool_nobody_in_silence():
    def broken(images):
        return torch.stack(
            [images.flatten(1).sum(1).log(), images.flatten(1)[:, 0]], 1
        )  # NaN where the sum is negative

    vectors = torch.full((1, 1, DIMENSION), -2.0, dtype=torch.float64)
    with pytest.raises(ValueError, match="NaN or infinite logits"):
        fools(broken, oracles.images(COUNT), vectors)
