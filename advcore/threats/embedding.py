"""Perturbations of word vectors: of each word, or of a sequence as a whole; empty places stay."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier
from advcore.norms import per_sample
from advcore.places import filled
from advcore.randomness import Randomness
from advcore.threats.region import Mapped

Limit = Literal["word", "sequence"]


@dataclass(frozen=True)
class Embedding:
    """Add a perturbation to the word vectors of a sequence `(B, T, E)`, without a box.

    Rows of 0 are empty places, which stay as they are, also where a start is random. In a batch
    `(B, E)` each input is one word.

    Attributes:
        limit: size that eps limits: the largest l2 norm of the change of one `word` (row), or the
            l2 norm of the change of the whole `sequence` (the Frobenius norm), as FreeLB has it.
    """

    limit: Limit = "sequence"

    def __post_init__(self) -> None:
        if self.limit not in get_args(Limit):
            raise ValueError(
                f"limit must be one of {', '.join(get_args(Limit))}; got {self.limit!r}"
            )

    @property
    def name(self) -> str:
        return f"l2 of a {self.limit}"

    @property
    def box(self) -> bool:
        """False: word vectors have none."""
        return False

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "EmbeddingRegion":
        """The inputs `(B, T, E)` or `(B, E)` that may be reached; ValueError for others."""
        if inputs.dim() not in (2, 3):
            raise ValueError(
                "threat model embedding needs sequences (B, T, E) or single vectors (B, E); got "
                f"{tuple(inputs.shape)}"
            )
        return EmbeddingRegion(inputs, radius, filled(inputs), self.limit)


@dataclass(frozen=True, eq=False)
class EmbeddingRegion(Mapped):
    """Inputs with something added where a word is. Parameters: what is added, like the inputs.

    `places` `(B, T, 1)`, or `(B, 1)`: where a word is.
    """

    places: Tensor
    limit: Limit

    def rest(self) -> Tensor:
        return torch.zeros_like(self.inputs)

    def random(self, randomness: Randomness) -> Tensor:
        """A random direction of every word, at a random share of the radius."""
        return self._drawn(randomness, randomness.stream("radius").uniform(()).to(self.inputs))

    def edge(self, randomness: Randomness) -> Tensor:
        return self._drawn(randomness, self.inputs.new_ones(len(self.inputs)))

    def _drawn(self, randomness: Randomness, share: Tensor) -> Tensor:
        noise = randomness.stream("direction").normal(tuple(self.inputs.shape[1:])).to(self.inputs)
        return self.steepest(noise, noise) * per_sample(share * self.radius, noise)

    def apply(self, parameters: Tensor) -> Tensor:
        return self.inputs + parameters * self.places

    def project(self, parameters: Tensor) -> Tensor:
        inside = parameters * self.places
        if self.limit == "sequence":
            return norms.L2.project(inside, self.radius)
        length = torch.linalg.vector_norm(inside, dim=-1, keepdim=True)
        tiny = torch.finfo(inside.dtype).tiny
        return inside * (per_sample(self.radius, inside) / length.clamp(min=tiny)).clamp(max=1)

    def size(self, parameters: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(parameters * self.places, dim=-1).view(
            len(parameters), -1
        )
        if self.limit == "word":
            return lengths.amax(1)
        return torch.linalg.vector_norm(lengths, dim=1)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        inside = gradient * self.places
        if self.limit == "sequence":
            return norms.L2.steepest(inside)
        return norms.L2.steepest(inside.flatten(0, -2)).view_as(inside)

    def farthest(self, slope: Tensor) -> Tensor:
        """Return the change that is farthest along `slope`."""
        return self.steepest(slope, slope) * per_sample(self.radius, slope)

    def take(self, index: Tensor) -> "EmbeddingRegion":
        places = self.places[index]
        return EmbeddingRegion(self.inputs[index], self.radius[index], places, self.limit)
