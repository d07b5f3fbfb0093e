"""Colours: a curve of grey levels, or a map of colours in CIE-LUV (Laidlaw and Feizi 2019)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.checks import check_pictures
from advcore.classifier import Classifier
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.luv import luv_to_rgb, rgb_to_luv
from advcore.threats.region import Mapped, Region


@dataclass(frozen=True)
class Colour:
    """Change the colours of a picture by one map for all of its pixels.

    Of grey pictures it is a curve `v -> v + d(v)`, linear between nodes; of pictures with three
    channels a map of CIE-LUV, each of whose coordinates is scaled to [0, 1], linear between the
    nodes of a lattice. The size is the largest change at a node, of 1 for the whole range. Results
    are cut at [0, 1]. ReColorAdv pays for rough maps in its loss; here the number of nodes bounds
    how rough one can be.

    Attributes:
        nodes: nodes of the curve of grey levels.
        lattice: nodes along each of the three axes of colours.
    """

    nodes: int = 16
    lattice: int = 8

    def __post_init__(self) -> None:
        if min(self.nodes, self.lattice) < 2:
            raise ValueError(
                f"nodes and lattice must be at least 2; got {self.nodes} and {self.lattice}"
            )

    @property
    def name(self) -> str:
        return "colour"

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> Region:
        """The pictures `(B, 1, H, W)` or `(B, 3, H, W)` that may be reached."""
        check_pictures(inputs.shape[1:], f"threat model {self.name}")
        if inputs.shape[1] not in (1, 3):
            raise ValueError(
                f"colours need 1 or 3 channels; images have {inputs.shape[1]}: take another threat "
                "model"
            )
        if inputs.shape[1] == 1:
            return ColourRegion(inputs, radius, (self.nodes,))
        return ColourRegion(inputs, radius, (3, self.lattice, self.lattice, self.lattice))


@dataclass(frozen=True, eq=False)
class ColourRegion(Mapped):
    """Pictures of other colours. Parameters: the change at each node, `(B, *nodes)`."""

    nodes: tuple[int, ...]

    def rest(self) -> Tensor:
        return self.inputs.new_zeros(len(self.inputs), *self.nodes)

    def random(self, randomness: Randomness) -> Tensor:
        uniform = randomness.uniform(self.nodes).to(self.inputs)
        return (2 * uniform - 1) * per_sample(self.radius, uniform)

    def apply(self, parameters: Tensor) -> Tensor:
        if self.inputs.shape[1] == 1:
            return (self.inputs + _at_levels(parameters, self.inputs)).clamp(0, 1)
        luv = rgb_to_luv(self.inputs)
        places = 2 * luv.movedim(1, -1)[:, None] - 1  # (B, 1, H, W, 3): x is the last axis of nodes
        change = F.grid_sample(
            parameters, places, padding_mode="border", align_corners=True
        ).squeeze(2)
        return (self.inputs + (luv_to_rgb(luv + change) - luv_to_rgb(luv))).clamp(0, 1)

    def project(self, parameters: Tensor) -> Tensor:
        reach = per_sample(self.radius, parameters)
        return parameters.clamp(-reach, reach)

    def size(self, parameters: Tensor) -> Tensor:
        return parameters.flatten(1).abs().amax(1)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return gradient.sign()


def _at_levels(nodes: Tensor, levels: Tensor) -> Tensor:
    """A piecewise linear function with values `(B, n)` at equal distances, at levels in [0, 1]."""
    place = levels.flatten(1) * (nodes.shape[1] - 1)
    below = place.floor().clamp(max=nodes.shape[1] - 2)
    share, index = place - below, below.long()
    value = torch.lerp(nodes.gather(1, index), nodes.gather(1, index + 1), share)
    return value.view_as(levels)
