"""Words replaced by near ones: each by one of its nearest neighbours in a vocabulary."""

from dataclasses import dataclass, field

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
            sequences, each of whose words counts once; or (n, E), single words, with `labels`.
        count: number of neighbours of each word.
        same_label: become only words that have the label of the word, in a vocabulary of single
            words; the nearest words of a word vector include opposites. All words must be in it.
    """

    fit: Learnt
    count: int = 10
    same_label: bool = field(default=False, metadata={"later": True})

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
        known = self.fit.shape_of("inputs")
        if self.same_label and known is not None and len(known) != 2:
            raise ValueError(
                f"same_label needs a vocabulary of single words (n, E), each with its label; got "
                f"inputs {tuple(known)}: take exemplars of a data set of words"
            )

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> DiscreteRegion:
        """The sequences `(B, T, E)` that may be reached; ValueError for others."""
        self.check(tuple(inputs.shape[1:]))
        words, away = self._away(inputs)
        if (away.isfinite().sum(1) < self.count)[(inputs != 0).any(2).flatten()].any():
            raise ValueError(
                f"count of neighbours must be below the {len(words)} words of the vocabulary"
                f"{', of each label' if self.same_label else ''}; got {self.count}"
            )
        near = words[away.topk(self.count, largest=False).indices].view(
            *inputs.shape[:2], self.count, -1
        )
        words_at = (inputs != 0).any(2)
        choices = torch.cat([inputs[:, :, None], near * words_at[:, :, None, None]], 2)
        held = torch.zeros(inputs.shape[:2], dtype=torch.int64, device=inputs.device)
        return DiscreteRegion(inputs, radius, choices, held, words_at)

    def _away(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The vocabulary `(n, E)` and its distances `(B T, n)`, inf to what no word may become."""
        rows = inputs.flatten(0, 1)
        if not self.same_label:
            words = vocabulary_of(self.fit).to(inputs)
            away = pair_distances(rows, words)
            return words, away.masked_fill(away <= _near(words), torch.inf)
        words, labels = self.fit["inputs"].to(inputs), self.fit["labels"].to(inputs.device)
        away = pair_distances(rows, words)
        distance, own = away.min(1)
        if (distance > _near(words))[(rows != 0).any(1)].any():
            raise ValueError(
                "the label of a word is that in the vocabulary, which lacks some of these words: "
                f"take a fit {self.fit.name} of all"
            )
        other = labels != labels[own][:, None]
        return words, away.masked_fill(other | (away <= _near(words)), torch.inf)


def _near(words: Tensor) -> float:
    """Return the distance below which a vector is the word itself."""
    return 1e-3 * float(words.abs().max())


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
