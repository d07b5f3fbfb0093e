"""What every family must do: orthonormal bases, rows of their own, exact margins of affine
classifiers.
"""

import oracles
import pytest
import torch

from advcore import margins
from advcore.learnt import Learnt
from advcore.subspaces import (
    FAMILIES,
    Coloured,
    Complements,
    DCTDiagonal,
    DCTGrid,
    Fitted,
    Members,
    OneColour,
    RandomSubspaces,
    SinglePlaces,
    check_family,
    dct_blocks,
    median_projection,
    span,
)

SHAPE = (3, 6, 6)
NOISE = torch.randn(108, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
DIRECTIONS = torch.linalg.qr(NOISE).Q.mT.reshape(8, *SHAPE)
FIT = Learnt("normals", "key", {"directions": DIRECTIONS})
SHORT = Learnt("short", "", {"directions": torch.cat([DIRECTIONS[:3], 0 * DIRECTIONS[:1]])})
"""A fit that found three directions of four."""
SPECS = [
    (DCTDiagonal(3, 1), 4, 27),
    (DCTGrid(2), 9, 12),
    (RandomSubspaces(3, 10), 3, 10),
    (OneColour(DCTGrid(3), channel=1), 4, 9),
    (OneColour(DCTDiagonal(4, 2)), 2, 16),
    (OneColour(RandomSubspaces(2, 5), channel=2), 2, 5),
    (Complements(DCTDiagonal(4, 2)), 2, 60),
    (Complements(RandomSubspaces(2, 107)), 2, 1),
    (Complements(OneColour(DCTDiagonal(3, 3), channel=0)), 2, 99),
    (Fitted(FIT, 3, 2), 2, 3),
    (Complements(Fitted(FIT, 2, 4)), 4, 106),
    (Fitted(FIT, count=3), 3, 2),
]

every_family = pytest.mark.parametrize(("spec", "count", "dim"), SPECS, ids=repr)


def _basis(subspace):
    """Q, `(D, dim)`."""
    return subspace.lift(torch.eye(subspace.dim, dtype=torch.float64)).flatten(1).mT


@every_family
def test_a_family_has_orthonormal_bases(spec, count, dim):
    family, images = spec(SHAPE), oracles.images(4, SHAPE)
    assert (len(family), family.dim) == (count, dim)
    for position in range(count):
        subspace = family[position]
        basis = _basis(subspace)
        assert subspace.dim == dim
        torch.testing.assert_close(basis.mT @ basis, torch.eye(dim, dtype=torch.float64))
        torch.testing.assert_close(subspace.coordinates(images), images.flatten(1) @ basis)
        assert subspace.rows(torch.tensor([1])) is subspace


@every_family
def test_each_row_lies_in_its_own_member(spec, count, dim):
    family, images = spec(SHAPE), oracles.images(5, SHAPE)
    which = torch.tensor([count - 1, 0, 1, 0, count - 1])
    mixed = family.rows(which)
    assert mixed.dim == dim
    for part, index in (
        (mixed, torch.arange(5)),
        (mixed.rows(torch.tensor([3, 4])), torch.tensor([3, 4])),
    ):
        coordinates = part.coordinates(images[index])
        for row, sample in enumerate(index.tolist()):
            own = family[int(which[sample])]
            torch.testing.assert_close(
                coordinates[row : row + 1], own.coordinates(images[sample : sample + 1])
            )
            torch.testing.assert_close(
                part.lift(coordinates)[row : row + 1], own.lift(coordinates[row : row + 1])
            )


@every_family
def test_margins_of_affine_classifiers_are_exact(spec, count, dim):
    affine, images, family = oracles.Affine(2, SHAPE), oracles.images(4, SHAPE), spec(SHAPE)
    result = margins.margins(affine, images, family)
    normal = (affine.weight[0] - affine.weight[1]).detach()
    gap = affine(images).detach().diff(dim=1).abs()[:, 0]
    exact = torch.stack(
        [gap / (_basis(family[position]).mT @ normal).norm() for position in range(count)]
    )
    torch.testing.assert_close(result.distance, 1.02 * exact, rtol=1e-6, atol=0)


@every_family
def test_single_precision_stays_single(spec, count, dim):
    images = oracles.images(3, SHAPE, torch.float32)
    one, rows = spec(SHAPE)[1], spec(SHAPE).rows(torch.tensor([1, 0, 1]))
    for subspace in (one, rows):
        coordinates = subspace.coordinates(images)
        assert coordinates.dtype == subspace.lift(coordinates).dtype == torch.float32
        torch.testing.assert_close(
            coordinates.double(), subspace.coordinates(images.double()), rtol=1e-5, atol=1e-6
        )


def test_the_whole_tiling_is_parsevals():
    """Also for images that are not square: the blocks' coordinates are all of the spectrum,
    once.
    """
    images = oracles.images(3, (2, 6, 8))
    grid = DCTGrid(2)((2, 6, 8))
    parts = torch.stack([grid[position].coordinates(images) for position in range(len(grid))])
    torch.testing.assert_close(parts.square().sum((0, 2)), images.flatten(1).square().sum(1))
    torch.testing.assert_close(sum(grid[p].lift(parts[p]) for p in range(len(grid))), images)


def test_the_grid_goes_row_by_row_and_has_the_diagonal():
    shape, spec = (3, 8, 8), DCTGrid(2)
    places = [spec.place(shape, position) for position in range(16)]
    assert places == [(row, column) for row in range(4) for column in range(4)]
    diagonal, images = dct_blocks(8, 2, 2, 3), oracles.images(2, shape)
    for step in range(4):
        position = places.index((step, step))
        torch.testing.assert_close(
            spec(shape)[position].coordinates(images), diagonal[step].coordinates(images)
        )
    vertical = (
        torch.zeros(1, 3, 8, 8, dtype=torch.float64)
        + torch.linspace(0, 1, 8, dtype=torch.float64)[:, None]
    )
    energies = [spec(shape)[position].coordinates(vertical).norm().item() for position in range(16)]
    assert all(
        (energy > 1e-9) == (places[position][1] == 0) for position, energy in enumerate(energies)
    )


def test_one_channel_leaves_the_others_alone_and_grey_moves_all_alike():
    coordinates = torch.ones(1, 9, dtype=torch.float64)
    red = OneColour(DCTDiagonal(3, 3), channel=0)(SHAPE)[0].lift(coordinates)
    assert red[:, 0].any()
    assert not red[:, 1:].any()
    grey = OneColour(DCTDiagonal(3, 3))(SHAPE)[0].lift(coordinates)
    torch.testing.assert_close(grey, (red[:, :1] / 3**0.5).expand_as(grey))


def test_a_colour_with_a_basis_per_sample():
    """A channel of each sample's own span."""
    per_sample = Coloured(
        span(oracles.images(3 * 2, (1, 6, 6)).view(3, 2, 1, 6, 6)), torch.tensor([0.6, 0.8])
    )
    images, index = oracles.images(3, (2, 6, 6)), torch.tensor([2, 0])
    coordinates = per_sample.coordinates(images)
    torch.testing.assert_close(
        per_sample.rows(index).coordinates(images[index]), coordinates[index]
    )
    torch.testing.assert_close(per_sample.coordinates(per_sample.lift(coordinates)), coordinates)


@pytest.mark.parametrize("dim", [1, 40, 107])
def test_a_complement_is_exact(dim):
    """Projections onto a subspace and onto its complement add up to the image, however the two lie
    to the axes.
    """
    subspace, rest, images = (
        RandomSubspaces(1, dim)(SHAPE)[0],
        Complements(RandomSubspaces(1, dim))(SHAPE)[0],
        oracles.images(3, SHAPE),
    )
    inside, outside = (
        subspace.lift(subspace.coordinates(images)),
        rest.lift(rest.coordinates(images)),
    )
    torch.testing.assert_close(inside + outside, images)
    assert subspace.coordinates(outside).abs().max() < 1e-12


def test_a_complement_of_unit_images():
    """The first pixels themselves, the worst case of a reflector that takes the wrong sign."""
    pixels = torch.eye(36, dtype=torch.float64)[:5].view(5, 1, 6, 6)
    for vectors in (pixels, -pixels, pixels.flip(0)):
        family = Members((span(vectors),))
        rest = Complements(lambda shape, family=family: family)((1, 6, 6))[0]
        torch.testing.assert_close(
            _basis(rest) @ _basis(rest).mT,
            torch.eye(36, dtype=torch.float64).index_fill(0, torch.arange(5), 0),
        )


def test_random_subspaces_follow_the_seed_and_are_nested():
    small, large, other = (
        RandomSubspaces(2, *settings)(SHAPE) for settings in ((4,), (9,), (4, 1))
    )
    for position in range(2):
        assert torch.equal(small[position].basis, RandomSubspaces(2, 4)(SHAPE)[position].basis)
        assert (
            torch.linalg.svdvals(_basis(small[position]).mT @ _basis(large[position])).min()
            > 1 - 1e-12
        )
    assert torch.linalg.svdvals(_basis(small[0]).mT @ _basis(small[1])).max() < 0.9
    assert torch.linalg.svdvals(_basis(small[0]).mT @ _basis(other[0])).max() < 0.9


def test_random_subspaces_have_no_preferred_direction():
    """`||Q^T w||^2 / ||w||^2` follows Beta(m/2, (D - m)/2): mean m / D, variance 2 m (D - m) / (D^2
    (D + 2)).
    """
    dimension, dim, count = 48, 6, 4000
    family = RandomSubspaces(count, dim)((3, 4, 4))
    axes = torch.stack(
        [_basis(family[position])[[0, 17, 47]].square().sum(1) for position in range(count)]
    )
    variance = 2 * dim * (dimension - dim) / (dimension**2 * (dimension + 2))
    assert ((axes.mean(0) - dim / dimension).abs() < 4 * (variance / count) ** 0.5).all()
    assert ((axes.var(0) / variance - 1).abs() < 0.15).all()


def test_blocks_of_a_fit_follow_its_order():
    images = oracles.images(4, SHAPE)
    along = images.flatten(1) @ DIRECTIONS.flatten(1).mT
    for position in range(2):
        own = along[:, 3 * position : 3 * position + 3]
        torch.testing.assert_close(Fitted(FIT, 3, 2)(SHAPE)[position].coordinates(images), own)


def test_orders_of_the_directions_of_a_fit():
    def onto(**settings):
        own = _basis(Fitted(FIT, **settings)(SHAPE)[0])
        return own @ own.mT

    last = DIRECTIONS[-3:].flatten(1)
    torch.testing.assert_close(onto(dim=3, order="least"), last.mT @ last)
    few, more, whole = (onto(dim=dim, order="random") for dim in (3, 5, 8))
    torch.testing.assert_close(whole, onto(dim=8))
    torch.testing.assert_close(more @ few, few)
    assert (onto(dim=3, order="random", seed=1) - few).abs().max() > 0.05
    second = _basis(Fitted(FIT, 3, 2, "least")(SHAPE)[1]).mT
    assert (second @ last.mT).abs().max() < 1e-12
    assert Fitted(SHORT, 3)(SHAPE).dim == 3


def test_a_family_of_a_fit_has_as_many_directions_as_the_fit_when_none_are_said():
    many = Learnt("many", "", {"directions": torch.eye(108).view(108, *SHAPE)})
    assert [Fitted(fit)(SHAPE).dim for fit in (FIT, many)] == [8, 10]
    assert Fitted(FIT).settled() == Fitted(FIT, 8)
    assert Fitted(Learnt("normals")).settled().dim == 10
    with pytest.raises(ValueError, match="9 directions of the fit normals are wanted"):
        Fitted(FIT, count=9)(SHAPE)


def test_a_family_of_a_fit_is_not_looked_at_before_the_fit_is_there():
    for spec in (Fitted(Learnt("normals")), Complements(Fitted(Learnt("normals")))):
        check_family(spec, SHAPE)


def test_the_families_of_a_study():
    own = {type(spec) for spec, _, _ in SPECS}
    assert own | {SinglePlaces} == set(FAMILIES.values())  # of sequences: see test_words.py


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: DCTGrid(4)((1, 6, 8)),
            "a size that divides both sides of the images; got size 4 for 6 x 8",
        ),
        (lambda: DCTGrid(0)((1, 6, 6)), "a size that divides both sides of the images; got size 0"),
        (lambda: RandomSubspaces(count=0), "count must be at least 1; got 0"),
        (lambda: RandomSubspaces(dim=0), "dim must be at least 1; got 0"),
        (
            lambda: RandomSubspaces(2, 109)(SHAPE),
            r"random subspaces of images \(3, 6, 6\) have a dim of 1 to 108; got 109",
        ),
        (
            lambda: OneColour(DCTGrid(3), channel=3)(SHAPE),
            r"channel must lie in 0..2 for images of 3 channels; got 3",
        ),
        (
            lambda: OneColour(DCTGrid(3))(SHAPE)[0].coordinates(torch.zeros(1, 1, 6, 6)),
            "the colour has 3 channels; images have 1",
        ),
        (
            lambda: Complements(DCTDiagonal(6, 1))((1, 6, 6)),
            "all of image space, dimension 36; its complement holds nothing but 0",
        ),
        (
            lambda: Complements(lambda shape: [dct_blocks(6, 2, 2).rows(torch.tensor([0]))])(SHAPE),
            "a complement needs a subspace that",
        ),
        (lambda: Fitted(FIT, 0), "dim must be at least 1; got 0"),
        (
            lambda: Fitted(FIT, 3, 3)(SHAPE),
            "9 directions of the fit normals are wanted, and it has 8: ask for fewer, or fit more",
        ),
        (
            lambda: Fitted(FIT)((1, 6, 6)),
            r"has directions of inputs \(3, 6, 6\); these are \(1, 6, 6\)",
        ),
        (
            lambda: Fitted(Learnt("n", "", {"directions": 2 * DIRECTIONS}), 2)(SHAPE),
            "directions of the fit n must be orthonormal; a product of two is off by 3: ask for f",
        ),
        (
            lambda: Fitted(SHORT, 2, order="random")(SHAPE),
            "directions of the fit short must be orthonormal; .* off by 1: fit fewer where it foun",
        ),
        (lambda: Fitted(Learnt("n"), 2)(SHAPE), "the fit n has no 'directions'; it has nothing"),
        (lambda: check_family(Fitted(FIT, 9), SHAPE), "9 directions of the fit normals are wanted"),
        (lambda: Members(()), r"one or more subspaces of one dimension; got dimensions \[\]"),
        (
            lambda: Members((dct_blocks(6, 2, 2)[0], dct_blocks(6, 3, 2)[0])),
            r"of one dimension; got dimensions \[4, 9\]",
        ),
        (
            lambda: Members((dct_blocks(6, 2, 2).rows(torch.tensor([0])),)),
            "one holds a basis per sample: use Restricted for it",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("dim", "dimension", "exact"),
    [
        (1, 2, 0.5**0.5),  # the cosine of a uniform angle
        (2, 3, 0.75**0.5),  # the height of a point of the sphere is uniform
        (2, 4, 0.5**0.5),  # Beta(1, 1)
        (
            1,
            784,
            0.024108489999535833,
        ),  # sqrt(Beta(m/2, (D - m)/2)) at its median, by scipy's betaincinv
        (4, 784, 0.06548836664020542),
        (64, 784, 0.28446694171679626),
        (256, 784, 0.5711701323680607),
        (784, 784, 1.0),
    ],
)
def test_the_median_projection_is_that_of_a_beta_distribution(dim, dimension, exact):
    assert median_projection(dim, dimension) == pytest.approx(exact, rel=1e-7)


def test_the_median_projection_in_many_dimensions():
    assert median_projection(1, 150528) == pytest.approx(0.001738475378902174, rel=3e-5)
    assert median_projection(256, 150528) == pytest.approx((256 / 150528) ** 0.5, rel=2e-3)


@pytest.mark.parametrize("dim", [0, 17])
def test_a_projection_onto_no_subspace_is_refused(dim):
    with pytest.raises(
        ValueError, match=f"dim must lie between 1 and the 16 dimensions of the whole; got {dim}"
    ):
        median_projection(dim, 16)
