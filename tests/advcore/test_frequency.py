import oracles
import pytest
import torch
from scipy.fft import dct, dctn

from advcore import frequency

IMAGES = oracles.images(3, (2, 8, 6)) - 0.4


@pytest.mark.parametrize("size", [1, 2, 7, 28])
def test_dct_matrix_is_scipys_and_orthonormal(size):
    matrix = frequency.dct_matrix(size)
    identity = torch.eye(size, dtype=torch.float64)
    torch.testing.assert_close(
        matrix, torch.from_numpy(dct(identity.numpy(), axis=0, norm="ortho"))
    )
    torch.testing.assert_close(matrix @ matrix.mT, identity)


def test_dct_matrix_takes_the_dtype_of_its_example():
    assert frequency.dct_matrix(4, torch.zeros(1, dtype=torch.float32)).dtype == torch.float32


def test_the_cached_matrix_cannot_be_spoilt():
    frequency.dct_matrix(5).zero_()
    frequency.dct_matrix(5, torch.zeros(1, dtype=torch.float64)).zero_()
    assert frequency.dct_matrix(5).any()


def test_dct2_is_scipys_and_idct2_its_inverse():
    coefficients = frequency.dct2(IMAGES)
    torch.testing.assert_close(
        coefficients, torch.from_numpy(dctn(IMAGES.numpy(), axes=(-2, -1), norm="ortho"))
    )
    torch.testing.assert_close(frequency.idct2(coefficients), IMAGES)


def test_parseval():
    torch.testing.assert_close(
        frequency.dct2(IMAGES).flatten(1).norm(dim=1), IMAGES.flatten(1).norm(dim=1)
    )


def test_the_mean_is_the_lowest_frequency():
    torch.testing.assert_close(frequency.dct2(IMAGES)[..., 0, 0], IMAGES.mean((-2, -1)) * 48**0.5)


def test_flip_is_an_isometric_involution():
    flipped = frequency.flip(IMAGES)
    torch.testing.assert_close(frequency.flip(flipped), IMAGES)
    torch.testing.assert_close(flipped.flatten(1).norm(dim=1), IMAGES.flatten(1).norm(dim=1))
    torch.testing.assert_close(
        frequency.dct2(flipped)[..., -1, -1], frequency.dct2(IMAGES)[..., 0, 0]
    )


@pytest.mark.parametrize("keep", [frequency.low_pass, frequency.high_pass])
@pytest.mark.parametrize("batched", [True, False], ids=["batch", "image"])
def test_filters_keep_a_quarter_of_the_coefficients_and_are_idempotent(keep, batched):
    square = oracles.images(2, (3, 8, 8)) if batched else oracles.images(2, (3, 8, 8))[0]
    once = keep(square, 4)
    torch.testing.assert_close(keep(once, 4), once)
    before, after = frequency.dct2(square), frequency.dct2(once)
    kept = after.abs() > 1e-9
    assert kept.double().mean() == 0.25  # the published code keeps half of a batch's coefficients
    corner = kept[..., :4, :4] if keep is frequency.low_pass else kept[..., 4:, 4:]
    assert corner.all()
    torch.testing.assert_close(after[kept], before[kept])


@pytest.mark.parametrize("band", [0, 7])
@pytest.mark.parametrize("keep", [frequency.low_pass, frequency.high_pass])
def test_bands_outside_the_image(keep, band):
    with pytest.raises(ValueError, match=f"a whole number in 1..6 for images of 8 x 6; got {band}"):
        keep(IMAGES, band)
