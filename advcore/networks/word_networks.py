"""Networks for sequences of word vectors, some of whose places are empty."""

import torch
from torch import Tensor, nn

from advcore.networks.layers import ActivationName, activation_layer, check_width
from advcore.places import filled


def present(inputs: Tensor, numbers: int) -> Tensor:
    """Return which places of sequences `(B, T, E)` hold a word, `(B, T)`: rows that are not all 0.

    Raises ValueError for inputs that are no sequences of words of E = `numbers`.
    """
    if inputs.dim() != 3:
        raise ValueError(
            f"networks of words need sequences (B, T, E); got {tuple(inputs.shape)}: for single "
            "vectors take perceptron"
        )
    if inputs.shape[2] != numbers:
        raise ValueError(
            f"this network takes words of {numbers} numbers; got {inputs.shape[2]}: build it with "
            f"numbers={inputs.shape[2]}"
        )
    return filled(inputs)[:, :, 0]


def mean_over_words(states: Tensor, places: Tensor) -> Tensor:
    """Return the mean of `(B, T, D)` over the places `(B, T)` that hold a word, `(B, D)`.

    It is 0 where none does.
    """
    count = places.sum(1, keepdim=True).clamp(min=1)
    return (states * places[:, :, None]).sum(1) / count


def deep_averaging(
    num_classes: int = 2,
    numbers: int = 300,
    width: int = 64,
    depth: int = 1,
    activation: ActivationName = "relu",
) -> nn.Module:
    """Build a deep averaging network: the mean word vector, then hidden layers (Iyyer et al. 2015).

    Sequences are `(B, T, numbers)` of any T; rows of 0 are absent words and left out. Order does
    not count.

    Args:
        num_classes: number of logits K.
        numbers: length E of a word vector.
        width: number of units of each hidden layer.
        depth: number of hidden layers, 0 for a linear classifier of the mean.
        activation: function after each hidden layer.
    """
    if depth < 0:
        raise ValueError(f"the depth of deep_averaging is 0 or more; got {depth}")
    check_width(width)
    layers: list[nn.Module] = []
    for inputs in [numbers, *[width] * depth][:depth]:
        layers += [nn.Linear(inputs, width), activation_layer(activation)]
    return _OfMean(
        nn.Sequential(*layers, nn.Linear(width if depth else numbers, num_classes)), numbers
    )


def word_gru(num_classes: int = 2, numbers: int = 300, width: int = 64) -> nn.Module:
    """Build a gated recurrent unit over the words, then a linear layer (Cho et al. 2014).

    Sequences are `(B, T, numbers)`; a row of 0 is an absent word, over which the state stays as it
    is, so that what follows the last word does not count.

    Args:
        num_classes: number of logits K.
        numbers: length E of a word vector.
        width: number of numbers of the state.
    """
    check_width(width)
    return _Recurrent(nn.GRUCell(numbers, width), nn.Linear(width, num_classes))


class _OfMean(nn.Module):
    def __init__(self, network: nn.Module, numbers: int) -> None:
        super().__init__()
        self.network, self.numbers = network, numbers

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(mean_over_words(inputs, present(inputs, self.numbers)))


class _Recurrent(nn.Module):
    def __init__(self, cell: nn.GRUCell, last: nn.Linear) -> None:
        super().__init__()
        self.cell, self.last = cell, last

    def forward(self, inputs: Tensor) -> Tensor:
        places = present(inputs, self.cell.input_size)
        state = inputs.new_zeros(len(inputs), self.cell.hidden_size)
        for word, there in zip(inputs.unbind(1), places.unbind(1), strict=True):
            state = torch.where(there[:, None], self.cell(word, state), state)
        return self.last(state)
