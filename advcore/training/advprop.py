"""AdvProp (Xie et al. 2020, Adversarial examples improve image recognition): adversarial images have batch norms of their own."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from advcore.attacks import Attack
from advcore.randomness import Randomness
from advcore.training.adversarial import Adversarial
from advcore.training.term import check_weight


@dataclass(frozen=True)
class AdvProp:
    """The mean cross-entropy of adversarial images under auxiliary batch norms: statistics and affine parameters that clean images
    never pass through, all other weights shared. The attack, too, is on the network with the auxiliary ones. It goes with the term
    `cross_entropy`, whose clean images pass through the main ones.

    Before the training each batch norm is given a copy of itself as its part `auxiliary`, which the optimiser trains and which
    stands in `state_dict`, so that a training can be gone on with; its own forward pass never looks at it. After the training it is
    taken away: what is exported is the main network, as in the paper.

    Attributes:
        attack: as of `Adversarial`; the paper's is PGD at eps 4 / 255 with 5 steps, and one step of FGSM for small networks.
        weight: of the term; 1 in the paper, beside 1 for the clean images.
    """

    attack: Attack
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        _ = self.adversarial

    @property
    def adversarial(self) -> Adversarial:
        """The term without the auxiliary batch norms."""
        return Adversarial(self.attack)

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness) -> Tensor:
        return self.adversarial(Auxiliary(network), images, labels, randomness)

    def prepare(self, network: nn.Module) -> None:
        """Give each batch norm its auxiliary one, equal to it at first."""
        norms = list(batch_norms(network))
        if not norms:
            raise ValueError("advprop needs a network with batch normalisation, and this one has none; take the term adversarial")
        if any("auxiliary" in dict(norm.named_children()) for _, norm in norms):
            raise ValueError(
                "the network has auxiliary batch norms already: an objective takes one advprop term; release the other"
            )
        for _, norm in norms:
            norm.add_module("auxiliary", deepcopy(norm))

    def release(self, network: nn.Module) -> None:
        """Take the auxiliary batch norms away."""
        for _, norm in list(batch_norms(network)):
            del norm.auxiliary


class Auxiliary(nn.Module):
    """A network whose batch norms compute with the numbers of their auxiliary ones, and move the statistics of those."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.tensors: dict[str, Tensor] = {}
        for name, norm in batch_norms(network):
            own = dict(norm.named_children()).get("auxiliary")
            if own is None:
                raise ValueError("the network has no auxiliary batch norms: call prepare(network) before the optimiser is made")
            parts = chain(own.named_parameters(recurse=False), own.named_buffers(recurse=False))
            self.tensors |= {f"{name}.{part}": value for part, value in parts}

    def forward(self, images: Tensor) -> Tensor:
        return functional_call(self.network, self.tensors, (images,))


def batch_norms(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The main batch norms of a network, with their names."""
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and name.rpartition(".")[2] != "auxiliary":
            yield name, module
