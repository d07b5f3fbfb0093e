"""A classifier restricted to a subspace is a classifier: any attack measures margins in it."""

import oracles
import pytest
import torch

from advcore import Untargeted
from advcore.attacks import Bisected, DeepFool
from advcore.subspaces import Restricted, dct_blocks


def test_restricted_adds_the_lifted_coordinates():
    network, images = oracles.relu(shape=(2, 6, 6)), oracles.images(3, (2, 6, 6))
    block = dct_blocks(6, 2, 1, 2)[1]
    coordinates = torch.randn(3, block.dim, dtype=torch.float64)
    torch.testing.assert_close(
        Restricted(network, images, block)(coordinates), network(images + block.lift(coordinates))
    )


def test_rows_of_a_restriction_keep_their_image_and_their_block():
    network, images = oracles.relu(shape=(1, 6, 6)), oracles.images(3, (1, 6, 6))
    restricted = Restricted(network, images, dct_blocks(6, 2, 2).rows(torch.tensor([2, 0, 1])))
    coordinates, index = torch.randn(3, 4, dtype=torch.float64), torch.tensor([2, 0])
    torch.testing.assert_close(
        restricted.rows(index)(coordinates[index]), restricted(coordinates)[index]
    )


def test_restrictions_can_be_nested():
    """rows() reaches the restriction inside."""
    network, images = oracles.relu(shape=(1, 6, 6)), oracles.images(3, (1, 6, 6))
    inner = Restricted(network, images, dct_blocks(6, 2, 2).rows(torch.tensor([2, 0, 1])))

    class Doubled:
        dim = 4

        def lift(self, coordinates):
            return 2 * coordinates

        def rows(self, index):
            return self

    outer = Restricted(inner, torch.ones(3, 4, dtype=torch.float64), Doubled())
    coordinates, index = torch.randn(3, 4, dtype=torch.float64), torch.tensor([2, 0])
    torch.testing.assert_close(outer.rows(index)(coordinates[index]), outer(coordinates)[index])


@pytest.mark.parametrize(
    "attack", [DeepFool(box=False), Bisected(DeepFool(box=False), steps=20)], ids=repr
)
def test_samples_that_are_already_wrong_leave_the_restriction(attack):
    affine, images = oracles.Affine(shape=(1, 6, 6)), oracles.images(8, (1, 6, 6))
    labels = affine(images).argmax(1)
    family, which = dct_blocks(6, 3, 1), torch.tensor([3, 2, 1, 0] * 2)
    restricted, start = Restricted(affine, images, family.rows(which)), images.new_zeros(8, 9)
    expected = attack(restricted, start, Untargeted(labels)).distance
    wrong = torch.arange(8) % 3 == 0
    some = attack(restricted, start, Untargeted(torch.where(wrong, (labels + 1) % 3, labels)))
    torch.testing.assert_close(some.distance, expected.masked_fill(wrong, 0))


@pytest.mark.parametrize(
    ("attack", "factor"),
    [(DeepFool(box=False), 1.02), (Bisected(DeepFool(box=False), steps=20), 1.0)],
)
def test_an_attack_on_a_restriction_is_exact_on_affine_classifiers(attack, factor):
    affine, images = oracles.Affine(shape=(2, 6, 6)), oracles.images(8, (2, 6, 6))
    labels = affine(images).argmax(1)
    for low, block in enumerate(dct_blocks(6, 3, 1, 2)):
        result = attack(
            Restricted(affine, images, block), images.new_zeros(8, block.dim), Untargeted(labels)
        )
        expected = affine.margins(images, basis=oracles.dct_basis(6, low, 3, 2))
        torch.testing.assert_close(result.distance, factor * expected, rtol=1e-5, atol=0)
        moved = images + block.lift(result.images)
        assert (affine(moved).argmax(1) != labels).all()
