"""Margins at the layers of a network, whose distribution predicts its generalisation gap.

Source: Jiang et al. 2019, Predicting the generalization gap in deep networks with margin
distributions; the article, section III-A.1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.attacks import Attack, DeepFool, kind_and_norm
from advcore.attacks.attack import has_budget, norm_of
from advcore.classifier import Classifier, frozen, full_precision
from advcore.counts import counted
from advcore.criteria import Untargeted
from advcore.layer_margins import (
    MOMENTS,
    QUANTILES,
    first_order_margins,
    moments,
    signature,
    usable,
)
from advcore.layers import FIRST, INPUT, LAST, check_layers, layer_inputs
from advcore.learnt import Learnt
from advcore.probes.charts import Chart, Lines, Series, median_band
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness

MINIMAL = "minimal"
"""The name, among the layers of a summary, of the minimal perturbations of the input."""

IN_LEGEND = 12
"""Largest number of networks that are drawn one by one."""


@dataclass(frozen=True)
class LayerMargins:
    """Distance of each sample to the nearest boundary at the layers of a network, from its label.

    First-order margins (`advcore.layer_margins`) at what goes into each layer, in units of the
    layer and of its total variation, over any competing class; and at the input the minimal l2
    perturbation that an attack finds. There is one row per layer x sample. Measured on the training
    set, with its labels, they are what the generalisation gap is predicted by.

    Columns: `sample`; `layer`; `margin`, in the layer's units, pixels at the input, negative where
    the label is not predicted, inf where no gradient reaches the layer; `normalised`, the margin
    over the layer's total variation; `nearest`, the class of the smallest margin; `correct`,
    whether the label is predicted; `distance`, the l2 length that the attack found, pixel units, 0
    where the label is not predicted, inf where none was found: the same for all layers of a sample.

    The summary holds a signature of each layer's normalised margins, and of the distances under the
    name `minimal`: logarithms of quartiles and clipped fences, and of the first five moments. It is
    of samples that the network labels right, for others have no logarithm; their share is
    `dropped`.

    Attributes:
        fit: fit of kind `layer_variation` with the `layers`, of the same network.
        layers: names of the layers: `input`, a module's, whose input it is, or `first` and `last`,
            what the first and the last hidden layer make, in networks of any depth.
        attack: minimal-norm l2 attack from the label.
    """

    fit: Learnt
    layers: tuple[str, ...] = (INPUT, FIRST, LAST)
    attack: Attack = field(default_factory=lambda: DeepFool(norm="l2", box=False))

    def __post_init__(self) -> None:
        check_layers(self.layers)
        if MINIMAL in self.layers:
            raise ValueError(f"a summary names the attack's distances {MINIMAL!r}: no layer can")
        if has_budget(self.attack) or norm_of(self.attack) != "l2":
            raise ValueError(
                f"layer_margins needs a minimal-norm l2 attack; got {kind_and_norm(self.attack)}"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        for layer in self.layers:
            self.fit.shape_of(layer)

    def check_layers(self, classifier: Classifier, inputs: Tensor) -> None:
        with frozen(classifier), torch.no_grad():
            layer_inputs(classifier, inputs, self.layers)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"layer": self.layers}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision():
            margins, nearest = first_order_margins(
                classifier, batch.inputs, batch.labels, self.layers
            )
            found = self.attack(classifier, batch.inputs, Untargeted(batch.labels), randomness)
        variation = torch.stack([self.fit[layer].to(margins) for layer in self.layers])
        rows = len(self.layers)
        return Table(
            {
                "sample": batch.indices.repeat(rows),
                "layer": [layer for layer in self.layers for _ in range(len(batch.inputs))],
                "margin": margins.T.flatten(),
                "normalised": (margins / variation).T.flatten(),
                "nearest": nearest.T.flatten(),
                "correct": (margins > 0).T.flatten(),
                "distance": found.distance.masked_fill(~found.found, torch.inf).repeat(rows),
            }
        )

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        right = table.take(table.rows_with("layer", self.layers[0])).numbers("correct")
        scalars = {"dropped": 1 - right.double().mean().item()}
        for layer, values in self._kept(table).items():
            if not len(values):
                continue
            for name, own in zip(QUANTILES, signature(values).tolist(), strict=True):
                scalars[f"signature/{layer}/{name}"] = own
            for power, own in enumerate(moments(values).tolist(), 1):
                scalars[f"moment/{layer}/{power}"] = own
        of = f"over those of {counted(len(right), 'sample')} that are labelled right"
        return Summary(
            scalars,
            meanings={
                "dropped": f"share of {counted(len(right), 'sample')} that are not labelled right",
                "signature": "natural logarithm of a number of the distribution of first-order "
                f"margins over the layer's total variation (of {MINIMAL}: of l2 distances, pixels "
                f"in [0, 1]), {of}",
                "moment": f"the same of the first {MOMENTS} moments, log(mean(margin^k)) / k, {of}",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        held = {model: self._quartiles(table) for model, table in tables.items()}
        held = {model: own for model, own in held.items() if not own.isnan().all()}
        if not held:
            return []
        places = torch.arange(len(self.layers)).double()
        note = "Median over the samples that are labelled right; band: quartiles over them."
        series = [
            Series(model, places, middle, low, high) for model, (low, middle, high) in held.items()
        ]
        if len(held) > IN_LEGEND:
            medians = torch.stack([own[1] for own in held.values()])
            series = [median_band(f"{len(held)} networks", places, medians)]
            note = (
                "Median over the samples that are labelled right, then over the networks; band: "
                "quartiles over these."
            )
        return [
            Lines(
                name="layer_margins",
                title="First-order margins at the layers",
                x_label="layer",
                y_label="margin over total variation",
                series=series,
                y_scale="log",
                ticks=self.layers,
                note=note,
            )
        ]

    def _quartiles(self, table: Table) -> Tensor:
        """Return the quartiles of the usable margins of each layer, `(3, L)`, NaN for none."""
        kept = self._kept(table) if len(table["sample"]) else {}
        nothing = torch.full((3,), torch.nan, dtype=torch.float64)
        return torch.stack(
            [
                signature(kept[layer]).exp()[1:4] if len(kept.get(layer, ())) else nothing
                for layer in self.layers
            ],
            1,
        )

    def _kept(self, table: Table) -> dict[str, Tensor]:
        """Return the usable margins by layer, and distances as those of `minimal`."""
        by_layer = {
            layer: table.take(table.rows_with("layer", layer)) for layer in self.layers
        }  # fmt: skip
        kept = {layer: usable(own.numbers("normalised")) for layer, own in by_layer.items()}
        return {**kept, MINIMAL: usable(by_layer[self.layers[0]].numbers("distance"))}
