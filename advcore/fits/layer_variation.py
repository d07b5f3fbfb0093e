"""Total variation of what goes into the layers of a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from advcore.classifier import Classifier, check_batch, frozen, full_precision
from advcore.fits.distances import check_samples, chunks
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.layers import FIRST, INPUT, LAST, check_layers, layer_inputs
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class LayerVariation:
    """Learn how far what goes into each layer spreads over the samples: `sqrt(sum_j Var h_j)`.

    The sum is over the units of the layer, the variance over all samples. It is the unit in which
    margins at layers of different networks are compared: a layer whose weights are doubled, and
    those behind it halved, has twice the margin and twice the variation (Jiang et al. 2019). The
    first round gives means, the second one the squares around them.

    Tensors: one number () for each of `layers`, by its name.

    Attributes:
        layers: names of the layers, see the probe `layer_margins`.
        batch_size: number of samples that are taken at a time; memory depends on it.
    """

    layers: tuple[str, ...] = (INPUT, FIRST, LAST)
    batch_size: int = 100

    def __post_init__(self) -> None:
        check_layers(self.layers)
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {self.batch_size}")

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return dict.fromkeys(self.layers, ())

    def start(self, samples: FitSamples) -> FitState:
        return FitState({})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_batch(batch.inputs)
        total: dict[str, torch.Tensor] = {}
        with full_precision(), frozen(classifier), torch.no_grad():
            for some in chunks(batch, self.batch_size):
                _, held = layer_inputs(classifier, some.inputs, self.layers)
                for name, own in held.items():
                    if state.rounds == 0:
                        part = own.flatten(1).sum(0)
                    else:
                        centre = state.tensors[name].to(own)
                        part = (own.flatten(1) - centre).square().sum()
                    total[name] = total[name] + part if name in total else part
        return total

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        means = {name: own.cpu().double() / samples.count for name, own in sums.items()}
        if state.rounds == 0:
            return FitState({name: own.float() for name, own in means.items()}, 1)
        return FitState({name: own.sqrt().float() for name, own in means.items()}, 2, True)
