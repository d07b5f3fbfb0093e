"""AdvProp: adversarial images have batch norms of their own.

Source: Xie et al. 2020, Adversarial examples improve image recognition.
"""

from copy import deepcopy
from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from advcore.attacks import Attack
from advcore.randomness import Randomness
from advcore.training.adversarial import AdversarialTraining
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class AdvProp:
    """The mean cross-entropy of adversarial images under auxiliary batch norms.

    These are statistics and affine parameters that clean images never pass through; all other
    weights are shared. The attack, too, is on the network with the auxiliary ones. It goes with the
    term `cross_entropy`, whose clean images pass through the main ones.

    The auxiliary ones begin as copies and are trained beside the network, which never holds them:
    what is exported is the network with the main ones, as in the paper.

    Attributes:
        attack: attack, as of `AdversarialTraining`; weak in the paper, PGD at eps 1 / 255 to 4 /
            255.
        weight: weight of the term; 1 in the paper, beside 1 for the clean images.
    """

    attack: Attack
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        _ = self.adversarial

    @property
    def adversarial(self) -> AdversarialTraining:
        """The term without the auxiliary batch norms."""
        return AdversarialTraining(self.attack)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """The value; `network` is what `prepare` gave."""
        if not isinstance(network, Auxiliary):
            raise ValueError(
                "advprop is called with the network's auxiliary batch norms: give it what "
                "prepare(network) returns"
            )
        return self.adversarial(network, images, labels, randomness)

    def prepare(self, network: nn.Module) -> "Auxiliary":
        """The network with auxiliary batch norms, equal to the main ones at first."""
        return Auxiliary(network)


class Auxiliary(nn.Module):
    """A network with other batch norms in place of its own.

    They hold the numbers; the network's own modules do the work.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.places = [
            name for name, module in network.named_modules() if isinstance(module, _BatchNorm)
        ]
        if not self.places:
            raise ValueError(
                "advprop needs a network with batch normalisation, and this one has none; take "
                "the term adversarial"
            )
        self.norms = nn.ModuleList(deepcopy(network.get_submodule(place)) for place in self.places)

    def forward(self, images: Tensor) -> Tensor:
        tensors: dict[str, Tensor] = {}
        for place, norm in zip(self.places, self.norms, strict=True):
            tensors |= {
                f"{place}.{name}": value
                for name, value in chain(norm.named_parameters(), norm.named_buffers())
            }
        return functional_call(self.network, tensors, (images,))
