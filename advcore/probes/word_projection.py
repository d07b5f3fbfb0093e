"""The words that a perturbed sequence comes nearest to: what of an attack words can say."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, Status
from advcore.classifier import Classifier, frozen, full_precision, logits_of
from advcore.counts import counted
from advcore.criteria import Untargeted
from advcore.learnt import Learnt
from advcore.pairwise import pair_distances
from advcore.places import filled
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.threats.neighbours import check_vocabulary, vocabulary_of


@dataclass(frozen=True)
class WordProjection:
    """Attack word vectors, put the nearest word in place of each, and look again.

    A perturbed vector is no word. What the attack found counts where the words nearest to its
    vectors, in l2, are adversarial too: `kept`.

    Columns: `sample`; `status` of the attack, from the true label; `distance`, the attack's, inf
    where it found none; `kept`, whether the words are adversarial, by a forward pass of exactly
    these; `replaced`, the number of words that are others than before.

    Attributes:
        fit: fit whose `inputs` (n, T, E) hold the vocabulary: `exemplars` of a data set of
            sequences.
        attack: attack on the vectors; one with a budget needs its eps.
    """

    fit: Learnt
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_vocabulary(self.fit, shape)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        criterion = Untargeted(batch.labels)
        result = self.attack(classifier, batch.inputs, criterion, randomness)
        words = nearest_words(result.images, batch.inputs, vocabulary_of(self.fit))
        with full_precision(), frozen(classifier), torch.no_grad():
            kept = criterion.holds(logits_of(classifier, words))
        return Table(
            {
                "sample": batch.indices,
                "status": [Status(code).name.lower() for code in result.status.tolist()],
                "distance": result.distance,
                "kept": kept,
                "replaced": (words != batch.inputs).any(2).sum(1),
            }
        )

    def summarise(self, table: Table) -> Summary:
        status, kept = table.words("status"), table.numbers("kept").bool()
        broken = torch.tensor([one == "broken" for one in status], dtype=torch.bool)
        right = torch.tensor([one != "already_wrong" for one in status], dtype=torch.bool)
        if not right.any():
            return Summary()
        replaced = table.numbers("replaced")[broken].double()
        return Summary(
            {
                "broken": broken[right].double().mean().item(),
                "kept": kept[right].double().mean().item(),
                "median_replaced": median(replaced),
            },
            meanings={
                "broken": (
                    f"share of {counted(int(right.sum()), 'sample')} that are right at first for "
                    "which the attack found word vectors of another label"
                ),
                "kept": "share of the same for which the nearest words have another label too",
                "median_replaced": (
                    "median, over those that the attack broke, of the number of words that change "
                    "when each vector becomes the nearest word"
                ),
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return none: three numbers a network are a table, which the report has."""
        return []


def nearest_words(moved: Tensor, inputs: Tensor, vocabulary: Tensor) -> Tensor:
    """Return the rows of a vocabulary `(n, E)` nearest to those of `moved` `(B, T, E)`.

    Rows that are 0 in `inputs` stay 0, and rows that did not move stay what they are.
    """
    words = vocabulary.to(moved)
    near = words[pair_distances(moved.flatten(0, 1), words).argmin(1)].view_as(moved)
    still = (moved == inputs).all(2, keepdim=True)
    home = (near - inputs).abs().amax(2, keepdim=True) <= 1e-6  # the word itself
    return torch.where(still | home | ~filled(inputs), inputs, near)
