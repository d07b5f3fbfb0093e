"""Networks for small images, and for words."""

from collections.abc import Callable

from torch import nn

from advcore.networks.averaging_classifier import averaging
from advcore.networks.front_end_network import front_end
from advcore.networks.fully_connected import perceptron
from advcore.networks.lenet_network import lenet
from advcore.networks.preact_resnet import preact_resnet18
from advcore.networks.random_fourier import random_features
from advcore.networks.resnet import small_resnet18
from advcore.networks.unet_network import unet
from advcore.networks.vgg_network import vgg
from advcore.networks.wide_residual import wide_resnet
from advcore.networks.word_networks import deep_averaging, word_gru

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "lenet": lenet,
    "front_end": front_end,
    "perceptron": perceptron,
    "averaging": averaging,
    "random_features": random_features,
    "small_resnet18": small_resnet18,
    "preact_resnet18": preact_resnet18,
    "wide_resnet": wide_resnet,
    "vgg": vgg,
    "deep_averaging": deep_averaging,
    "word_gru": word_gru,
    "unet": unet,
}
"""The networks that a study can name, beside torchvision's and any `package.module:factory`."""

__all__ = [
    "NETWORKS",
    "averaging",
    "deep_averaging",
    "front_end",
    "lenet",
    "perceptron",
    "preact_resnet18",
    "random_features",
    "small_resnet18",
    "unet",
    "vgg",
    "wide_resnet",
    "word_gru",
]
