"""A representation from which an adversary cannot tell a protected attribute.

Source: Edwards and Storkey 2016, Censoring representations with an adversary; Zhang, Lemoine and
Mitchell 2018, Mitigating unwanted biases with adversarial learning.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.buffers import copied_buffers
from advcore.layers import LAST, layer_inputs, weighted_layers
from advcore.one_hot import category_of, check_entries, check_entries_of
from advcore.randomness import Randomness
from advcore.training.opponent import first_weights, opposed
from advcore.training.term import check_weight

FLOOR = 1e-5
"""Number that is added to a unit's standard deviation in a batch before it divides."""


@dataclass(frozen=True)
class Adversary:
    """`max_A E [-cross_entropy(A(h(x)), a(x))]`: h shall not tell the attribute a.

    h is the penultimate representation, what goes into the last linear layer, a the category of a
    one-hot column of the input, A the adversary, a network of two hidden layers that sees h
    standardised in the batch. A takes a step up with each step down of the network, by the same
    optimiser, as the discriminator of `gradient_matching` does. The value lies between minus the
    entropy of a, where A knows nothing, and 0; it goes with the term `cross_entropy`, and does not
    look at its labels. The network may see the attribute in its input and must forget it. A sample
    whose column is 0 everywhere has no category, and is refused.

    What A cannot tell another classifier may: fit a fresh one (`attribute_classifier`) afterwards.
    Zhang et al. project the network's gradient besides, and show A the logits; this has the plain
    game of Edwards and Storkey, without their decoder.

    Attributes:
        entries: numbers of the entries of an input that are the column, one a category.
        width: number of units of each hidden layer of the adversary.
        rate: learning rate of the adversary, in that of the network times the term's weight.
        seed: seed of the adversary's first weights.
        weight: weight of the term.
    """

    entries: tuple[int, ...]
    width: int = 64
    rate: float = 1.0
    seed: int = 0
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_entries(self.entries)
        if self.width < 1 or not 0 < self.rate < float("inf"):
            raise ValueError(
                f"width must be at least 1 and rate a positive number; got {self.width} and "
                f"{self.rate}"
            )

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """The value; `network` is what `prepare` gave."""
        if not isinstance(network, Opposed):
            raise ValueError(
                "adversary is called with a network beside its adversary: give it what "
                "prepare(network) returns"
            )
        check_entries_of(self.entries, tuple(images.shape[1:]))
        with copied_buffers(network.network):
            _, held = layer_inputs(network.network, images, [LAST])
        answers = network.answers(held[LAST].flatten(1), self.rate)
        return -F.cross_entropy(answers, category_of(images, self.entries))

    def prepare(self, network: nn.Module) -> "Opposed":
        """The network beside its adversary.

        Raises ValueError for a network that does not end in a linear layer behind another one.
        """
        return Opposed(network, len(self.entries), self.width, self.seed)


class Opposed(nn.Module):
    """A network, and an adversary of its penultimate representation."""

    def __init__(self, network: nn.Module, categories: int, width: int, seed: int) -> None:
        super().__init__()
        self.network = network
        layers = weighted_layers(network)
        if len(layers) < 2 or not isinstance(layers[-1], nn.Linear):
            raise ValueError(
                "adversary needs a network with a representation before its last linear layer; got "
                f"{', '.join(type(layer).__name__ for layer in layers) or 'no layer'}"
            )
        with first_weights(seed):
            made = nn.Sequential(
                nn.Linear(layers[-1].in_features, width),
                nn.ReLU(),
                nn.Linear(width, width),
                nn.ReLU(),
                nn.Linear(width, categories),
            )
        self.adversary = made.to(next(network.parameters()))

    def answers(self, held: Tensor, rate: float) -> Tensor:
        """Return the adversary's logits `(B, categories)` of representations `(B, n)`."""
        spread, mean = torch.std_mean(held, 0, correction=0)
        return opposed(self.adversary, (held - mean) / (spread + FLOOR), rate=rate)

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's own logits `(B, K)`."""
        logits: Tensor = self.network(images)
        return logits
