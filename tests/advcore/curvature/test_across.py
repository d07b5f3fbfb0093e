import oracles
import pytest
import torch

from advcore import Randomness
from advcore.curvature import Across, InputHessian, most_curved_across

COUNT, DIMENSION = 5, 16
SOURCE = Randomness(0, torch.arange(COUNT))


def _hessian(network):
    return InputHessian(network, oracles.images(COUNT), lambda logits: logits[:, 0])


def _directions(seed=0):
    return torch.randn(
        COUNT, DIMENSION, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def test_the_most_curved_direction_is_the_dense_one():
    hessian, directions = _hessian(oracles.softplus()), _directions()
    normal = directions / directions.norm(dim=1, keepdim=True)
    projection = torch.eye(DIMENSION, dtype=torch.float64) - normal[:, :, None] * normal[:, None, :]
    dense = projection @ hessian.dense() @ projection
    operator = Across(hessian, directions)
    torch.testing.assert_close(
        operator @ _directions(1), (dense @ _directions(1)[:, :, None])[:, :, 0]
    )
    values, vectors = torch.linalg.eigh(dense)
    places = values.abs().argmax(1)[:, None, None].expand(-1, DIMENSION, 1)
    expected = vectors.gather(2, places)[:, :, 0]
    found = most_curved_across(hessian, directions, SOURCE)
    torch.testing.assert_close(
        (found * expected).sum(1).abs(), torch.ones(COUNT, dtype=torch.float64)
    )
    torch.testing.assert_close(
        (found * normal).sum(1), torch.zeros(COUNT, dtype=torch.float64), rtol=0, atol=1e-7
    )
    assert (found.gather(1, found.abs().argmax(1, keepdim=True)) > 0).all()  # the sign is no chance


def test_rows_do_not_depend_on_their_batch():
    hessian, directions = _hessian(oracles.softplus()), _directions()
    whole = most_curved_across(hessian, directions, SOURCE)
    one = torch.tensor([2])
    single = InputHessian(
        oracles.softplus(), oracles.images(COUNT)[one], lambda logits: logits[:, 0]
    )
    torch.testing.assert_close(
        most_curved_across(single, directions[one], SOURCE.take(one)),
        whole[one],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("scale", [1.0, 1e-12])
def test_no_direction_where_all_curvature_is_along_the_normal(scale):
    """A x^T n n^T x: flat across n. In float32, too."""
    normal = _directions()[:1].expand(COUNT, -1)
    for dtype in (torch.float64, torch.float32):
        matrix = (scale * normal[:1].mT @ normal[:1]).to(dtype)
        hessian = InputHessian(
            oracles.Quadratic(matrix),
            oracles.images(COUNT, dtype=dtype),
            lambda logits: logits[:, 0],
        )
        assert (most_curved_across(hessian, normal.to(dtype), SOURCE) == 0).all()
        assert (
            (most_curved_across(hessian, _directions().flip(1).to(dtype), SOURCE) != 0).any(1).all()
        )
        nowhere = most_curved_across(hessian, torch.zeros(COUNT, DIMENSION, dtype=dtype), SOURCE)
        cosine = (nowhere * normal.to(dtype)).sum(1).abs() / normal.to(dtype).norm(dim=1)
        torch.testing.assert_close(
            cosine, torch.ones(COUNT, dtype=dtype)
        )  # with no normal, H's own


def test_nowhere_curved():
    assert (
        most_curved_across(_hessian(oracles.Constant(1.0, 0.0)), _directions(), SOURCE) == 0
    ).all()
