"""Modules around a network: what changes how robust it seems, and smoothing.

Sources: Athalye et al. 2018; Carlini et al. 2019.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from advcore.hard_label import HardLabel
from advcore.smoothed_classifier import SmoothedClassifier, check_smoothing


class Wrapper(Protocol):
    """A frozen dataclass of settings that wraps a network.

    The wrapped network has the same images and classes.
    """

    def __call__(self, network: nn.Module, /) -> nn.Module:
        """The network with what is around it."""


@dataclass(frozen=True)
class ScaledLogits:
    """The logits times a factor: the same predictions, a cross-entropy that saturates.

    Its gradient underflows to 0 where the factor is large.

    Attributes:
        factor: factor of the logits, positive.
    """

    factor: float

    def __post_init__(self) -> None:
        if not 0 < self.factor < float("inf"):
            raise ValueError(f"factor must be positive and finite; got {self.factor}")

    def __call__(self, network: nn.Module, /) -> nn.Module:
        return nn.Sequential(network, _Times(self.factor))


@dataclass(frozen=True)
class RoundedInput:
    """Pixels rounded to equal levels in [0, 1] before the network.

    The predictions are nearly the same, and the gradient is 0.

    Attributes:
        levels: number of levels of a pixel, 256 for 8 bits.
    """

    levels: int = 256

    def __post_init__(self) -> None:
        if self.levels < 2:
            raise ValueError(f"levels must be at least 2; got {self.levels}")

    def __call__(self, network: nn.Module, /) -> nn.Module:
        return nn.Sequential(_Rounded(self.levels - 1), network)


@dataclass(frozen=True)
class GaussianSmoothing:
    """The log of the mean probabilities over Gaussian noise, the same noise for all samples.

    What is attacked or measured then is the smoothed classifier: see
    `advcore.smoothed_classifier.SmoothedClassifier`. The probe `smoothed` brings noise of its own
    and is for networks without this wrapper.

    Attributes:
        sigma: standard deviation of a pixel, pixel units; 0 for the network itself.
        draws: number of noise vectors, each a pass of the network.
        seed: seed of the noise; all sigma have the same.
    """

    sigma: float = 0.5
    draws: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        check_smoothing(self.sigma, self.draws)

    def __call__(self, network: nn.Module, /) -> nn.Module:
        return SmoothedClassifier(network, self.sigma, self.draws, seed=self.seed)


@dataclass(frozen=True)
class LabelsAlone:
    """The labels of the network, and neither logits nor gradients.

    The logit is 1 for the label and -1 for all other classes; a backward pass fails.
    """

    def __call__(self, network: nn.Module, /) -> nn.Module:
        return HardLabel(network)


class _Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: Tensor) -> Tensor:
        return self.factor * logits


class _Rounded(nn.Module):
    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, images: Tensor) -> Tensor:
        return torch.round(images * self.steps) / self.steps


WRAPPERS: dict[str, type] = {
    "scaled_logits": ScaledLogits,
    "rounded_input": RoundedInput,
    "smoothed": GaussianSmoothing,
    "hard_label": LabelsAlone,
}
"""The wrappers that a study can name by `kind`."""
