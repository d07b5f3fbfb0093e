"""Samples that a derivation makes, as rows of a probe: stored, retried, resumed as those are."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.derived import Derivation, Made
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Columns, Paired, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness

SAMPLE, LABEL, INPUT = "sample", "label", "input"
"""Columns of the rows: the index of the root sample, the label, the input in float32."""


@dataclass(frozen=True)
class Making:
    """A derivation in the place of a probe: its rows are the samples that it makes.

    They are in the batch's order, one of each sample: `sample`, the root's index, `label`, int64,
    `input` `(B, *shape)`, float32, which is not there where only labels are made, and what columns
    the derivation gives.

    Attributes:
        derivation: derivation whose samples are made.
    """

    derivation: Derivation

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for inputs or logits of which nothing can be made."""
        self.derivation.validate(shape, classes)

    def paired(self) -> bool:
        """Return whether the derivation sees another sample beside each."""
        return isinstance(self.derivation, Paired) and self.derivation.paired()

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        """Return the samples made of one batch. Raises ValueError for what are no samples of it."""
        made = self.derivation.make(classifier, batch, randomness)
        _check(made, batch)
        inputs = {} if made.inputs is None else {INPUT: made.inputs.float()}
        return {SAMPLE: batch.indices, LABEL: made.labels, **inputs, **made.columns}

    def summarise(self, table: Table) -> Summary:
        """Return how many samples were made, and the share in which `found` is true, if told."""
        scalars = {"samples": float(len(table[SAMPLE]))}
        meanings = {"samples": "number of samples that were made"}
        if "found" in table and len(table[SAMPLE]):
            scalars["found"] = table.numbers("found").double().mean().item()
            meanings["found"] = "share of the samples for which the attack found one"
        return Summary(scalars, meanings=meanings)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return no chart: samples are shown as pictures."""
        return []


def _check(made: Made, batch: Batch) -> None:
    """Raise ValueError unless there is one sample of each of the batch's, with finite inputs."""
    count = len(batch.indices)
    reserved = {SAMPLE, LABEL, INPUT} & {*made.columns}
    if reserved:
        raise ValueError(
            f"a derivation must name its columns otherwise than {', '.join(sorted(reserved))}: "
            "these hold the samples themselves"
        )
    if made.labels.shape != (count,) or made.labels.dtype != torch.int64:
        raise ValueError(
            f"a derivation must give one label for each of its {count} samples, int64; got "
            f"{_shown(made.labels)}"
        )
    inputs = made.inputs
    if inputs is None:
        return
    if inputs.ndim < 2 or len(inputs) != count or not inputs.is_floating_point():
        raise ValueError(
            f"a derivation must make one input of each of its {count} samples, (B, *shape) in "
            f"floating point; got {_shown(inputs)}"
        )
    wrong = ~inputs.flatten(1).isfinite().all(1)
    if wrong.any():
        indices = ", ".join(map(str, batch.indices[wrong.to(batch.indices.device)][:6].tolist()))
        raise ValueError(f"a derivation made inputs that are not finite, of the samples {indices}")


def _shown(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {tensor.dtype}"
