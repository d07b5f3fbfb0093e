"""Words replaced by near ones: each by one of its nearest neighbours in a vocabulary."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.learnt import Learnt
from advcore.pairwise import pair_distances
from advcore.threats.discrete import DiscreteRegion


@dataclass(frozen=True)
class Neighbours:
    """Replace words of sequences `(B, T, E)` by near ones (Alzantot et al. 2018, without context).

    Each word may become one of the vectors of a vocabulary that are nearest to it, in l2. The size
    is the number of words that were replaced. Rows of 0 are empty places and stay.

    Attributes:
        fit: fit whose `inputs` (n, T, E) hold the vocabulary: `exemplars` of a data set of
            sequences, each of whose words counts once.
        count: number of neighbours of each word.
    """

    fit: Learnt
    count: int = 10

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1; got {self.count}")

    @property
    def name(self) -> str:
        return "neighbours"

    @property
    def box(self) -> bool:
        """False: word vectors have none."""
        return False

    def most(self, shape: tuple[int, ...]) -> int:
        """Return the number of places."""
        return shape[0]

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError where the vocabulary is none for inputs of a shape."""
        check_vocabulary(self.fit, shape)

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> DiscreteRegion:
        """The sequences `(B, T, E)` that may be reached; ValueError for others."""
        self.check(tuple(inputs.shape[1:]))
        words = vocabulary_of(self.fit).to(inputs)
        if len(words) <= self.count:
            raise ValueError(
                f"count of neighbours must be below the {len(words)} words of the vocabulary; got "
                f"{self.count}"
            )
        away = pair_distances(inputs.flatten(0, 1), words)
        away = away.masked_fill(away <= 1e-3 * words.abs().max(), torch.inf)  # the word itself
        near = words[away.topk(self.count, largest=False).indices].view(
            *inputs.shape[:2], self.count, -1
        )
        own = inputs[:, :, None]
        choices = torch.cat([own, near * (own != 0).any(3, keepdim=True)], 2)
        held = torch.zeros(inputs.shape[:2], dtype=torch.int64, device=inputs.device)
        return DiscreteRegion(inputs, radius, choices, held)


def check_vocabulary(fit: Learnt, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a fit holds word vectors that inputs of this shape are made of."""
    if len(shape) != 2:
        raise ValueError(
            f"words can be replaced in sequences (T, E) alone; got inputs {shape}: take data of T "
            "words of E numbers each"
        )
    known = fit.shape_of("inputs")
    if known is not None and (len(known) < 2 or known[-1] != shape[1]):
        raise ValueError(
            f"the fit {fit.name} must hold word vectors of {shape[1]} numbers; got inputs "
            f"{tuple(known[1:])}: take exemplars of a data set of such sequences"
        )


def vocabulary_of(fit: Learnt) -> Tensor:
    """Return the words that a fit's inputs are made of, `(n, E)`, each once; no empty place."""
    rows = fit["inputs"].flatten(0, -2)
    return rows[(rows != 0).any(1)].unique(dim=0)
