"""First weights of convolutional networks."""

from torch import nn


def he(network: nn.Module) -> nn.Module:
    """Draw normal weights of variance `2 / fan out` for convolutions, no bias.

    Return the network itself (He et al. 2015).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """The 3x3 convolution that residual networks are made of."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
