import pytest
import torch

from advcore import networks


@pytest.mark.parametrize("name", networks.NETWORKS)
@pytest.mark.parametrize(("classes", "channels", "side"), [(10, 1, 28), (3, 2, 13)])
def test_networks_give_logits(name, classes, channels, side):
    network = networks.NETWORKS[name](classes, channels, side)
    assert network(torch.zeros(2, channels, side, side)).shape == (2, classes)


def test_lenet_has_the_parameters_that_it_says():
    assert sum(parameter.numel() for parameter in networks.lenet().parameters()) == 61_706
    assert networks.lenet(side=12)(torch.zeros(1, 1, 12, 12)).shape == (1, 10)


def test_lenet_refuses_smaller_images():
    with pytest.raises(ValueError, match="at least 12 x 12; got 8 x 8"):
        networks.lenet(side=8)
