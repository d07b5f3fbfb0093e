"""Spans of given vectors: what they hold, in which order, and how dependence is told."""

import oracles
import pytest
import torch

from advcore import Untargeted
from advcore.attacks import DeepFool
from advcore.subspaces import Restricted, Span, principal_components, span

SHAPE = (2, 4, 4)
VECTORS = oracles.images(5, SHAPE) - 0.5


def _project(subspace, images):
    return subspace.lift(subspace.coordinates(images))


def test_a_span_holds_its_vectors():
    subspace = span(VECTORS)
    assert subspace.dim == 5
    torch.testing.assert_close(_project(subspace, VECTORS), VECTORS)
    flat = subspace.basis.flatten(1)
    torch.testing.assert_close(flat @ flat.mT, torch.eye(5, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_dependent_vectors_count_once(dtype):
    dependent = torch.cat(
        [VECTORS[:3], VECTORS[:2] @ VECTORS[0, 0], VECTORS[:1] - 2 * VECTORS[2:3]]
    ).to(dtype)
    dependent[3:5] = (0.3 * VECTORS[:2] + VECTORS[1:3]).to(dtype)
    subspace = span(dependent)
    assert subspace.dim == 3
    torch.testing.assert_close(_project(subspace, dependent), dependent)


def test_the_leading_directions_of_many_vectors():
    """The first basis image carries most of the vectors: Eckart and Young."""
    wanted = span(VECTORS[:3]).basis
    weights = torch.tensor([9.0, 3.0, 1.0], dtype=torch.float64)[:, None, None, None]
    many = torch.cat([weights * wanted, -0.5 * weights * wanted])
    for dim in (1, 2, 3):
        basis = span(many, dim).basis
        torch.testing.assert_close(
            (basis * wanted[:dim]).sum((1, 2, 3)).abs(), torch.ones(dim, dtype=torch.float64)
        )


def test_principal_components_know_no_mean():
    axes = span(VECTORS[:2]).basis
    steps = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    images = 7 * VECTORS[4] + torch.einsum("nk,kchw->nchw", steps, axes)
    found = principal_components(images, 2).basis
    torch.testing.assert_close(
        (found * axes).sum((1, 2, 3)).abs(), torch.ones(2, dtype=torch.float64)
    )


def test_each_row_has_its_own_span():
    """Along its own normal each sample has its whole margin."""
    affine, images = oracles.Affine(2, SHAPE), oracles.images(4, SHAPE)
    normal = (affine.weight[0] - affine.weight[1]).detach().view(SHAPE)
    others = oracles.images(4, SHAPE, seed=5) - 0.5
    subspace = span(torch.stack([normal.expand_as(others), others], 1))
    assert subspace.dim == 2
    coordinates, index = subspace.coordinates(images), torch.tensor([3, 1])
    for row in range(4):
        alone = span(torch.stack([normal, others[row]]))
        torch.testing.assert_close(
            _project(subspace, images)[row : row + 1], _project(alone, images[row : row + 1])
        )
    torch.testing.assert_close(subspace.rows(index).coordinates(images[index]), coordinates[index])
    restricted = Restricted(affine, images, subspace)
    found = DeepFool(box=False)(
        restricted, images.new_zeros(4, 2), Untargeted(affine(images).argmax(1))
    ).distance
    torch.testing.assert_close(found, 1.02 * affine.margins(images))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: span(VECTORS[0]),
            (
                r"a span needs vectors \(n, C, H, W\), or \(B, n, C, H, W\) for a span per "
                r"row; got \(2, 4, 4\)"
            ),
        ),
        (lambda: span(VECTORS[:0]), "a span needs vectors"),
        (lambda: span(VECTORS / 0), "hold NaN or infinite values; leave those vectors out"),
        (
            lambda: span(0 * VECTORS),
            "the 5 vectors span 0 dimensions, and 0 are wanted; give dim between 1 and that rank",
        ),
        (lambda: span(VECTORS, 6), "the 5 vectors span 5 dimensions, and 6 are wanted"),
        (lambda: span(VECTORS, 0), "and 0 are wanted"),
        (
            lambda: span(torch.stack([VECTORS[:2], VECTORS[[1, 1]]])),
            "the 2 vectors span 1 dimensions, first in row 1, and 2 are wanted",
        ),
        (
            lambda: Span(VECTORS).coordinates(torch.zeros(3, 2, 4, 5)),
            r"the span is of images \(2, 4, 4\); got \(2, 4, 5\)",
        ),
    ],
)
def test_bad_vectors_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
