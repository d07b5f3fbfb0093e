"""Stages and first weights of residual networks, and the layers of their blocks."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from advcore.networks.initialisation import he
from advcore.networks.layers import (
    ActivationName,
    NormName,
    activation_layer,
    dropout_layer,
    norm_layer,
)

BLOCKS: dict[int, tuple[int, int, int, int]] = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
}
"""Blocks of the four stages, by the depth of the published network."""


@dataclass(frozen=True)
class BlockLayers:
    """The layers of a residual block that are not convolutions, by their names."""

    activation: ActivationName
    dropout: float
    norm: NormName

    def new_activation(self) -> nn.Module:
        """Return a new activation."""
        return activation_layer(self.activation)

    def new_dropout(self) -> nn.Module:
        """Return a new dropout."""
        return dropout_layer(self.dropout)

    def new_norm(self, channels: int) -> nn.Module:
        """Return a new normalisation of pictures of `channels` channels."""
        return norm_layer(self.norm, channels)


Block = Callable[[int, int, int, BlockLayers], nn.Module]
"""Function that makes a block of input channels, output channels, stride and layers; its second
convolution is its `conv2`."""


def four_stages(block: Block, layers: BlockLayers, base: int, depth: int) -> list[nn.Sequential]:
    """Return four stages of blocks, of `base` to `8 base` channels.

    Each but the first has half the side of the one before. Raises ValueError for a depth that no
    published network has.
    """
    if depth not in BLOCKS:
        known = ", ".join(map(str, BLOCKS))
        raise ValueError(f"the depth of this residual network is one of {known}; got {depth}")
    made, inputs = [], base
    for number, count in enumerate(BLOCKS[depth]):
        outputs, stride = base * 2**number, 1 if number == 0 else 2
        first = block(inputs, outputs, stride, layers)
        others = (block(outputs, outputs, 1, layers) for _ in range(count - 1))
        made.append(nn.Sequential(first, *others))
        inputs = outputs
    return made


def residual_weights(network: nn.Module, norm: NormName) -> nn.Module:
    """Draw the first weights; return the network itself.

    They are those of `he`. Without normalisation the last convolution of each of the L blocks
    begins smaller by `sqrt(L)`: each block then multiplies the variance by at most some 1 + 1 / L,
    in place of 2.
    """
    he(network)
    if norm == "none":
        last = [
            module
            for name, module in network.named_modules()
            if name.endswith(".conv2") and isinstance(module, nn.Conv2d)
        ]
        with torch.no_grad():
            for convolution in last:
                convolution.weight.div_(len(last) ** 0.5)
    return network
