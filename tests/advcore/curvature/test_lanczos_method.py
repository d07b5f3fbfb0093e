import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness
from advcore.curvature import Ends, InputHessian, eigenprofile, hutchinson, lanczos

COUNT, DIMENSION, TOP = 3, 40, 5
SOURCE = Randomness(0, torch.arange(COUNT))


class Matrices:
    """Dense symmetric matrices `(B, D, D)` as an operator that counts its products."""

    def __init__(self, dense):
        self.dense, self.products = dense, 0

    def __matmul__(self, vectors):
        self.products += 1
        return (self.dense @ vectors[:, :, None])[:, :, 0]


def _with_spectrum(*values, dtype=torch.float64):
    """Symmetric matrices with the given eigenvalues and zeros, in random bases."""
    generator = torch.Generator().manual_seed(0)
    bases = torch.linalg.qr(
        torch.randn(COUNT, DIMENSION, DIMENSION, dtype=torch.float64, generator=generator)
    ).Q
    diagonal = torch.zeros(DIMENSION, dtype=torch.float64)
    diagonal[: len(values)] = torch.tensor(values, dtype=torch.float64)
    return (bases * diagonal @ bases.mT).to(dtype)


SPECTRA = {
    "positive": _with_spectrum(*(2.0 ** -torch.arange(40.0)).tolist()),
    "both-ends": _with_spectrum(*torch.linspace(-5, 4.9, 40).tolist()),
    "negative": -_with_spectrum(*torch.linspace(1, 3, 40).tolist()),
    "flat": _with_spectrum(*torch.linspace(0.99, 1, 40).tolist()),
    "rank-3": _with_spectrum(5.0, -4.0, 1e-3),
    "rank-1": _with_spectrum(-2.0),
    "rank-4-of-pairs": _with_spectrum(3.0, 3.0, -2.0, -2.0),
    "exhausted-at-five": _with_spectrum(5.0, 5.0, 4.0, 3.0, 2.0),
    "zero": _with_spectrum(),
    "multiple": -2 * torch.eye(DIMENSION, dtype=torch.float64).expand(COUNT, -1, -1),
    "small": 1e-20 * _with_spectrum(5.0, -4.0, 3.0, 2.0, 1.0, 0.5),
    "mixed": torch.stack(
        [
            _with_spectrum()[0],
            _with_spectrum(7.0)[1],
            _with_spectrum(*torch.linspace(-5, 4.7, 40).tolist())[2],
        ]
    ),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("top", [1, TOP, DIMENSION])
def test_top_eigenpairs_equal_the_dense_ones(name, top):
    dense = SPECTRA[name]
    pairs = lanczos(Matrices(dense), SOURCE, DIMENSION, top, torch.float64)
    every = torch.linalg.eigvalsh(dense)
    largest = every.abs().amax(1, keepdim=True)
    expected = every.gather(1, every.abs().argsort(1, descending=True))[:, :top]
    torch.testing.assert_close(
        pairs.values.abs(), expected.abs(), rtol=1e-6, atol=1e-9 * largest.max().item()
    )
    assert (pairs.residuals <= 1e-4 * largest + 1e-30).all()
    torch.testing.assert_close(
        (dense @ pairs.vectors.mT - pairs.vectors.mT * pairs.values[:, None]).norm(dim=1),
        pairs.residuals,
    )
    gram = pairs.vectors @ pairs.vectors.mT
    torch.testing.assert_close(
        gram, torch.eye(top, dtype=torch.float64).expand(COUNT, -1, -1), rtol=0, atol=1e-6
    )


def test_signs_are_those_of_the_spectrum():
    pairs = lanczos(Matrices(SPECTRA["both-ends"]), SOURCE, DIMENSION, 2, torch.float64)
    torch.testing.assert_close(
        pairs.values, torch.tensor([-5.0, 4.9], dtype=torch.float64).expand(COUNT, -1)
    )


def test_a_few_products_are_enough_for_a_low_rank():
    operator = Matrices(SPECTRA["rank-3"])
    lanczos(operator, SOURCE, DIMENSION, 3, torch.float64)
    assert operator.products <= 15


def test_single_precision():
    dense = _with_spectrum(5.0, -4.0, 3.0, 0.1, dtype=torch.float32)
    pairs = lanczos(Matrices(dense), SOURCE, DIMENSION, 3, torch.float32)
    assert pairs.values.dtype == torch.float32
    torch.testing.assert_close(
        pairs.values, torch.tensor([5.0, -4.0, 3.0]).expand(COUNT, -1), rtol=1e-5, atol=1e-5
    )


def test_rows_do_not_depend_on_their_batch():
    whole = lanczos(Matrices(SPECTRA["both-ends"]), SOURCE, DIMENSION, 3, torch.float64)
    alone = lanczos(
        Matrices(SPECTRA["both-ends"][1:2]),
        SOURCE.take(torch.tensor([1])),
        DIMENSION,
        3,
        torch.float64,
    )
    torch.testing.assert_close(alone.values, whole.values[1:2], rtol=1e-8, atol=0)


@pytest.mark.parametrize("network", [oracles.relu(), oracles.softplus()], ids=["relu", "softplus"])
def test_on_an_input_hessian(network):
    labels = torch.tensor([0, 1, 2])
    operator = InputHessian(
        network,
        oracles.images(COUNT),
        lambda logits: F.cross_entropy(logits, labels, reduction="none"),
    )
    pairs = lanczos(operator, SOURCE, 16, 3, torch.float64)
    every = torch.linalg.eigvalsh(operator.dense())
    expected = every.gather(1, every.abs().argsort(1, descending=True))[:, :3]
    torch.testing.assert_close(pairs.values, expected, rtol=1e-7, atol=1e-9)


def test_copies_of_a_multiple_eigenvalue_may_be_missed_and_what_is_found_is_one():
    """The limit that the docstring tells: 5 twice above a full spectrum is found at least once."""
    pairs = lanczos(
        Matrices(_with_spectrum(5, 5, *torch.linspace(0, 4.9, 38).tolist())),
        SOURCE,
        DIMENSION,
        2,
        torch.float64,
    )
    torch.testing.assert_close(pairs.values[:, 0], torch.full((COUNT,), 5.0, dtype=torch.float64))
    assert ((pairs.values[:, 1] - 5).abs().minimum((pairs.values[:, 1] - 4.9).abs()) < 1e-6).all()


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("ends", [Ends(3, 0), Ends(0, 2), Ends(2, 4), Ends(25, 15)])
def test_both_ends_equal_the_dense_ones(name, ends):
    dense = SPECTRA[name]
    pairs = lanczos(Matrices(dense), SOURCE, DIMENSION, ends, torch.float64)
    every = torch.linalg.eigvalsh(dense).flip(1)
    largest = every.abs().amax(1, keepdim=True)
    expected = torch.cat([every[:, : ends.top], every[:, DIMENSION - ends.bottom :]], 1)
    assert (pairs.residuals <= 1.1e-5 * largest + 1e-30).all()
    error = (pairs.values - expected).abs()
    assert (
        error <= 2e-5 * largest + 1e-30
    ).all()  # each is within its residual of one, if not of its own


def test_products_agree_and_residuals_are_small_on_a_smooth_network():
    labels = torch.tensor([0, 1, 2])
    operator = InputHessian(
        oracles.softplus(),
        oracles.images(COUNT),
        lambda logits: F.cross_entropy(logits, labels, reduction="none"),
    )
    pairs = lanczos(operator, SOURCE, 16, Ends(3, 2), torch.float64, tolerance=1e-8)
    values = eigenprofile(oracles.softplus(), oracles.images(COUNT), labels).values
    torch.testing.assert_close(
        pairs.values, torch.cat([values[:, :3], values[:, -2:]], 1), rtol=1e-8, atol=1e-12
    )
    assert (pairs.residuals < 1e-4 * pairs.values.abs()).all()


def test_steps_bound_the_products_and_the_residuals_tell():
    operator = Matrices(SPECTRA["flat"])
    pairs = lanczos(operator, SOURCE, DIMENSION, 2, torch.float64, steps=6)
    assert operator.products == 6 + 2
    assert (pairs.residuals > 1e-4).all()
    difference = SPECTRA["flat"] @ pairs.vectors.mT - pairs.vectors.mT * pairs.values[:, None]
    torch.testing.assert_close(difference.norm(dim=1), pairs.residuals)


def test_bad_ends_and_steps():
    with pytest.raises(ValueError, match="top and bottom must not be negative; got -1 and 2"):
        Ends(-1, 2)
    with pytest.raises(
        ValueError, match=r"the eigenvalues wanted must number 1..40, the dimension; got 41"
    ):
        lanczos(Matrices(SPECTRA["zero"]), SOURCE, DIMENSION, Ends(20, 21), torch.float64)
    with pytest.raises(
        ValueError, match="steps must be at least 5, as many as the eigenvalues wanted; got 4"
    ):
        lanczos(Matrices(SPECTRA["zero"]), SOURCE, DIMENSION, 5, torch.float64, steps=4)


@pytest.mark.parametrize("top", [0, 41])
def test_top_outside_the_dimension(top):
    with pytest.raises(
        ValueError, match=f"the eigenvalues wanted must number 1..40, the dimension; got {top}"
    ):
        lanczos(Matrices(SPECTRA["zero"]), SOURCE, DIMENSION, top, torch.float64)


@pytest.mark.parametrize("name", ["both-ends", "positive", "rank-3"])
def test_hutchinson_is_right_within_its_error(name):
    dense = SPECTRA[name]
    moments = hutchinson(Matrices(dense), SOURCE, DIMENSION, 2000, torch.float64)
    for mean, error, matrix in (
        (moments.trace, moments.trace_error, dense),
        (moments.squares, moments.squares_error, dense @ dense),
    ):
        diagonal = matrix.diagonal(dim1=1, dim2=2)
        assert ((mean - diagonal.sum(1)).abs() < 3 * error).all()
        exact = (
            2 * (matrix - torch.diag_embed(diagonal)).square().sum((1, 2)) / 2000
        ).sqrt()  # of random signs
        torch.testing.assert_close(error, exact, rtol=0.1, atol=0)
    frobenius = torch.linalg.matrix_norm(dense)
    assert ((moments.frobenius - frobenius).abs() < 3 * moments.frobenius_error).all()
    torch.testing.assert_close(
        moments.frobenius_error, moments.squares_error / (2 * frobenius), rtol=0.05, atol=0
    )


def test_hutchinson_is_exact_for_a_multiple_of_the_identity():
    moments = hutchinson(Matrices(SPECTRA["multiple"]), SOURCE, DIMENSION, 3, torch.float64)
    torch.testing.assert_close(moments.trace, torch.full((COUNT,), -80.0, dtype=torch.float64))
    torch.testing.assert_close(moments.squares, torch.full((COUNT,), 160.0, dtype=torch.float64))
    assert (moments.trace_error < 1e-12).all()
    assert (moments.squares_error < 1e-12).all()


def test_hutchinson_is_keyed_by_sample():
    whole = hutchinson(Matrices(SPECTRA["positive"]), SOURCE, DIMENSION, 4, torch.float64)
    alone = hutchinson(
        Matrices(SPECTRA["positive"][2:]),
        SOURCE.take(torch.tensor([2])),
        DIMENSION,
        4,
        torch.float64,
    )
    torch.testing.assert_close(alone.trace, whole.trace[2:])


def test_hutchinson_needs_two_draws():
    with pytest.raises(ValueError, match="draws must be at least 2, for a standard error; got 1"):
        hutchinson(Matrices(SPECTRA["zero"]), SOURCE, DIMENSION, 1, torch.float64)


def test_a_krylov_space_has_a_limit_where_none_is_given():
    """D-vectors of a sample are kept, so that all of 150,528 would take 90 GB."""

    class Counted:
        products = 0

        def __matmul__(self, vectors):
            self.products += 1
            return vectors * torch.linspace(0, 1, vectors.shape[1], dtype=vectors.dtype)

    operator = Counted()
    source = Randomness(0, torch.arange(1))
    pairs = lanczos(operator, source, 2000, 1, torch.float64, tolerance=0.0)
    assert operator.products == 300 + 1  # the last for the residuals
    assert pairs.values[0, 0] == pytest.approx(1, abs=1e-2)


def test_a_sample_whose_products_are_not_finite_is_nan_and_no_other():
    matrix = torch.diag(torch.arange(1.0, 9.0, dtype=torch.float64)).expand(3, -1, -1).clone()
    matrix[1, 0, 0] = torch.nan

    class Dense:
        def __matmul__(self, vectors):
            return (matrix @ vectors[:, :, None])[:, :, 0]

    values = lanczos(Dense(), Randomness(0, torch.arange(3)), 8, 2, torch.float64).values
    assert values[1].isnan().all()
    torch.testing.assert_close(values[[0, 2]], torch.tensor([[8.0, 7.0]] * 2, dtype=torch.float64))
