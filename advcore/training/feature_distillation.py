"""Features that stay those of the start: learning without forgetting.

Source: Li and Hoiem 2016, for logits; Shafahi et al. 2020, Adversarially robust transfer learning,
for features.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from advcore.buffers import copied_buffers
from advcore.layers import LAST, layer_inputs
from advcore.norms import norm_by_name
from advcore.randomness import Randomness
from advcore.training.taught import Taught
from advcore.training.term import check_weight


@dataclass(frozen=True)
class FeatureDistillation:
    """`E ||h(x) - h_0(x)||`, h what goes into a layer, h_0 the same of the network at the start.

    So features that were robust on other data are kept while all weights learn new ones. It goes
    with the term `cross_entropy`, and with a training that begins at weights that were learnt. h is
    that of the network in training mode, as in the cross-entropy, h_0 in evaluation mode; this pass
    leaves the running statistics of batch normalisation to that of the cross-entropy.

    The weight is that of the authors' code, which takes the norm l1 and moves the last layer alone
    in the first half of the steps; the paper writes l2.

    Attributes:
        layer: name of the layer, as `named_modules()` of the network has it; `last` for the last
            linear layer or convolution, whose input is the penultimate representation.
        norm: norm of the difference of a sample's features, l1 or l2.
        weight: weight lambda of the term, per unit of the features.
    """

    layer: str = LAST
    norm: Literal["l1", "l2"] = "l1"
    weight: float = 0.005

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.norm not in ("l1", "l2"):
            raise ValueError(f"norm must be l1 or l2, that of the features; got {self.norm!r}")

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """The value; `network` is what `prepare` gave."""
        if not isinstance(network, Taught):
            raise ValueError(
                "feature_distillation is called with a network beside its teacher: give it what "
                "prepare(network) returns"
            )
        with torch.no_grad():
            kept = self._features(network.teacher, images)
        with copied_buffers(network.network):
            features = self._features(network.network, images)
        return norm_by_name(self.norm).size(features - kept).mean()

    def prepare(self, network: nn.Module) -> Taught:
        """The network beside a copy of itself, its teacher."""
        return Taught(network)

    def _features(self, network: nn.Module, images: Tensor) -> Tensor:
        _, held = layer_inputs(network, images, [self.layer])
        return held[self.layer]
