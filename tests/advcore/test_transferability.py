import oracles
import pytest
import torch

from advcore import Untargeted
from advcore.attacks import DeepFool
from advcore.transferability import fooled, transfer_rates


def test_rates_by_hand():
    found = torch.tensor([[True, True, True, False], [True, False, False, True], [False] * 4])
    changed = torch.zeros(3, 3, 4, dtype=torch.bool)
    changed[0, 0], changed[0, 1, :2] = found[0], True
    changed[0, 2, 3] = True  # not among the images found on network 0
    changed[1, 1], changed[1, 0, 3] = found[1], True
    rates = transfer_rates(found, changed)
    torch.testing.assert_close(
        rates[:2], torch.tensor([[1, 2 / 3, 0], [0.5, 1, 0]], dtype=torch.float64)
    )
    assert rates[2].isnan().all()


def test_affine_networks_share_what_their_normals_share():
    """Images found on one network fool it, and its twin of another scale; none fools a network that
    looks elsewhere.
    """
    affine, twin, elsewhere = oracles.Affine(2), oracles.Affine(2, scale=3.0), oracles.Affine(2)
    with torch.no_grad():
        normal = affine.weight[1] - affine.weight[0]
        other = elsewhere.weight[1] - elsewhere.weight[0]
        elsewhere.weight[1] = (
            elsewhere.weight[0]
            + other.flip(0)
            - (other.flip(0) @ normal) / (normal @ normal) * normal
        )
    images, networks = oracles.images(12), [affine, twin, elsewhere]
    results = [
        DeepFool(box=False)(network, images, Untargeted(network(images).argmax(1)))
        for network in networks
    ]
    found = torch.stack([result.found for result in results])
    changed = torch.stack(
        [
            torch.stack([fooled(network, images, result.images) for network in networks])
            for result in results
        ]
    )
    expected = torch.block_diag(torch.ones(2, 2), torch.ones(1, 1)).double()
    torch.testing.assert_close(transfer_rates(found, changed), expected)


def test_shapes_that_do_not_fit():
    with pytest.raises(
        ValueError,
        match=(
            r"need found \(A, n\) and changed \(A, B, n\); got \(2, 3\) and \(2, 2, 4\): "
            r"stack them"
        ),
    ):
        transfer_rates(torch.ones(2, 3, dtype=torch.bool), torch.ones(2, 2, 4, dtype=torch.bool))
