"""Spatial deformations: every pixel may move a little (Xiao et al. 2018, stAdv)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.checks import check_pictures
from advcore.classifier import Classifier
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.region import Mapped


@dataclass(frozen=True)
class Flow:
    """Move the pixels of a picture along a smooth flow, bilinearly.

    The flow is given at nodes and linear between them: their number bounds how rough it can be,
    where stAdv pays for roughness in its loss. The size is the length of the longest arrow, in
    pixels.

    Attributes:
        nodes: number of nodes along each side of the picture.
    """

    nodes: int = 7

    def __post_init__(self) -> None:
        if self.nodes < 2:
            raise ValueError(f"nodes must be at least 2; got {self.nodes}")

    @property
    def name(self) -> str:
        return "flow"

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "FlowRegion":
        """The pictures `(B, C, H, W)` that may be reached."""
        check_pictures(inputs.shape[1:], f"threat model {self.name}")
        return FlowRegion(inputs, radius, self.nodes)


@dataclass(frozen=True, eq=False)
class FlowRegion(Mapped):
    """Pictures that are deformed. Parameters `(B, 2, nodes, nodes)`: right and down, pixels."""

    nodes: int

    def rest(self) -> Tensor:
        return self.inputs.new_zeros(len(self.inputs), 2, self.nodes, self.nodes)

    def random(self, randomness: Randomness) -> Tensor:
        uniform = randomness.uniform((2, self.nodes, self.nodes)).to(self.inputs)
        return self.project((2 * uniform - 1) * per_sample(self.radius, uniform))

    def apply(self, parameters: Tensor) -> Tensor:
        height, width = self.inputs.shape[-2:]
        flow = F.interpolate(parameters, (height, width), mode="bilinear", align_corners=True)
        down = torch.arange(height, dtype=flow.dtype, device=flow.device)
        right = torch.arange(width, dtype=flow.dtype, device=flow.device)
        rows, columns = down[:, None] - flow[:, 1], right - flow[:, 0]
        places = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], 3)
        return F.grid_sample(self.inputs, places, align_corners=False)

    def project(self, parameters: Tensor) -> Tensor:
        length = _lengths(parameters)
        reach = per_sample(self.radius, parameters)
        return parameters * (reach / length.clamp(min=torch.finfo(length.dtype).tiny)).clamp(max=1)

    def size(self, parameters: Tensor) -> Tensor:
        return _lengths(parameters).flatten(1).amax(1)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return gradient / _lengths(gradient).clamp(min=torch.finfo(gradient.dtype).tiny)


def _lengths(arrows: Tensor) -> Tensor:
    """The length of each arrow, `(B, 1, nodes, nodes)`."""
    return torch.linalg.vector_norm(arrows, dim=1, keepdim=True)
