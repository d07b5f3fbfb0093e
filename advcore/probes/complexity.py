"""Measures of a network's complexity that are said to tell its generalisation gap.

Source: Jiang et al. 2020, Fantastic generalization measures and where to find them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from advcore.certify import lipschitz
from advcore.certify.tracing import trace
from advcore.classifier import Classifier, check_labels, first_logits, frozen, full_precision
from advcore.counts import counted
from advcore.learnt import Learnt
from advcore.logit_gradients import jacobian
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.weights import moved_weights, relative_steps, weight_vector

MEASURES = ("weight_norm", "start_distance", "spectral_product", "rise", "jacobian")
"""The columns that hold a measure."""


@dataclass(frozen=True)
class Complexity:
    """Norms of the weights, and how the network answers to changes of weights and of inputs.

    What margins are to be compared with where they predict a gap. There is one row per sample; what
    belongs to the weights alone is the same in all of them, and one sample would do.

    Columns: `sample`; `weight_norm`, the l2 norm of all parameters, biases included;
    `start_distance`, that of their difference from the start; `spectral_product`, the product of
    the layers' spectral norms, as `advcore.certify.lipschitz` has it, batch normalisation included;
    `rise`, the mean over draws of the sample's cross-entropy under random steps of the weights,
    less that without: sharpness; `jacobian`, the Frobenius norm of the logits' Jacobian at the
    sample, per pixel unit.

    The steps are Gaussian directions, drawn for each parameter tensor and as long as `size` times
    its norm, the same for all samples of a network.

    Attributes:
        fit: fit of kind `weights` of the network at the start of its training; without it there is
            no `start_distance`.
        size: length of a step of the weights, as a share of each tensor's norm.
        draws: number of steps.
    """

    fit: Learnt | None = None
    size: float = 0.1
    draws: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.size < torch.inf or self.draws < 1:
            raise ValueError(
                "size must be a positive number and draws at least 1; got "
                f"{self.size} and {self.draws}"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if self.fit is not None:
            self.fit.shape_of("count")

    def check_layers(self, classifier: Classifier, inputs: Tensor) -> None:
        with frozen(classifier):
            trace(classifier, inputs)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision(), frozen(classifier):
            logits = first_logits(classifier, batch.inputs)
            check_labels(batch.labels, len(logits), logits.shape[1])
            slopes = jacobian(classifier, batch.inputs)[1].flatten(1).norm(dim=1)
            rise = self._rise(classifier, batch, logits, randomness.seed)
            own = {
                "weight_norm": weight_vector(classifier).double().norm(),
                "spectral_product": torch.tensor(lipschitz(classifier, batch.inputs)),
            }
            if self.fit is not None:
                own["start_distance"] = _distance(weight_vector(classifier), self.fit)
        return Table(
            {
                "sample": batch.indices,
                **{name: value.expand(len(batch.inputs)) for name, value in own.items()},
                "rise": rise,
                "jacobian": slopes,
            }
        )

    @torch.no_grad()
    def _rise(self, classifier: Classifier, batch: Batch, logits: Tensor, seed: int) -> Tensor:
        random = torch.Generator().manual_seed(seed)
        total = torch.zeros_like(logits[:, 0])
        for _ in range(self.draws):
            with moved_weights(classifier, relative_steps(classifier, self.size, random)):
                moved = first_logits(classifier, batch.inputs)
            total += cross_entropy(moved, batch.labels, reduction="none")
        return total / self.draws - cross_entropy(logits, batch.labels, reduction="none")

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        of = f"mean over {counted(len(table['sample']), 'sample')} of "
        return Summary(
            {
                name: table.numbers(name).double().mean().item()
                for name in MEASURES
                if name in table
            },
            meanings={
                "weight_norm": "l2 norm of all parameters",
                "start_distance": "l2 norm of all parameters less those at the training's start",
                "spectral_product": "product of the layers' spectral norms",
                "rise": f"{of}the rise of the cross-entropy (nats) under {self.draws} random steps "
                f"of the weights, {self.size:g} times as long as each tensor",
                "jacobian": f"{of}the Frobenius norm of the logits' Jacobian, per pixel unit",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return none: a number a network is a table, which the report has."""
        return []


def _distance(weights: Tensor, fit: Learnt) -> Tensor:
    """Return the l2 distance of weights from those of a fit."""
    start = fit["weights"]
    if len(weights) != len(start):
        raise ValueError(
            f"the fit {fit.name} has {len(start)} weights, and the network {len(weights)}: it must "
            "be of the same architecture"
        )
    return (weights.double() - start.to(weights).double()).norm()
