import oracles
import pytest
import torch
from torch.func import jacrev, vmap

from advcore.logit_gradients import jacobian

IMAGES = oracles.images(5)


@pytest.mark.parametrize(
    "network",
    [oracles.relu(), oracles.softplus(), oracles.Affine()],
    ids=["relu", "softplus", "affine"],
)
def test_all_rows_equal_those_of_torch_func(network):
    logits, rows = jacobian(network, IMAGES)
    torch.testing.assert_close(logits, network(IMAGES).detach())
    expected = vmap(jacrev(lambda image: network(image[None])[0]))(IMAGES).detach()
    torch.testing.assert_close(rows, expected, rtol=1e-10, atol=1e-12)
    assert not logits.requires_grad
    assert not rows.requires_grad


def test_values_of_the_logits_chosen_per_sample():
    classes = torch.tensor([[0, 3], [1, 1], [2, 0], [3, 2], [0, 1]])
    logits, chosen = jacobian(
        oracles.relu(), IMAGES, lambda logits: logits.gather(1, classes) - 2 * logits[:, :1]
    )
    assert logits.shape == (5, 4)
    _, every = jacobian(oracles.relu(), IMAGES)
    torch.testing.assert_close(
        chosen, torch.stack([every[b, classes[b]] - 2 * every[b, :1] for b in range(5)])
    )


def test_a_constant_classifier_has_none():
    _, rows = jacobian(oracles.Constant(1, 2, 3), IMAGES)
    assert torch.equal(rows, torch.zeros(5, 3, 1, 4, 4, dtype=torch.float64))


def test_images_and_parameters_are_left_alone():
    images = IMAGES.clone().requires_grad_()
    network = oracles.relu()
    jacobian(network, images)
    assert images.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())
