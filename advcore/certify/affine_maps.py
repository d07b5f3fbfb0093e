"""A network read as affine maps with activations between them."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advcore.classifier import Classifier, Normalized, frozen, logits_of

AFFINE = (
    nn.Flatten,
    nn.Identity,
    nn.Dropout,
    nn.Linear,
    nn.Conv2d,
    nn.AvgPool2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    Normalized,
)
"""Layers that are affine maps in evaluation mode."""

CLOSE = 1e-3
"""Share of the largest logit by which the affine maps may differ from the network's own logits."""


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The map `u -> weight u + bias`, float64 on the CPU.

    - `weight` `(m, n)`.
    - `bias` `(m,)`.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """Return `(B, m)` of values `(B, n)`."""
        return values @ self.weight.mT + self.bias


@dataclass(frozen=True, eq=False)
class AffineChain:
    """The logits as affine maps, one more than there are activations, in their order."""

    maps: tuple[AffineMap, ...]
    activations: tuple[nn.Module, ...]

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the logits `(B, K)` of inputs `(B, *shape)`, float64 on the CPU."""
        values = self.maps[0](inputs.cpu().double().flatten(1))
        for activation, following in zip(self.activations, self.maps[1:], strict=True):
            values = following(activation.forward(values))  # past hooks, which the logits then show
        return values


def affine_chain(
    classifier: Classifier, images: Tensor, activations: tuple[type[nn.Module], ...]
) -> AffineChain:
    """Return the classifier of images `(B, *shape)` as a chain of affine maps.

    Linear layers, convolutions, average pooling, normalisation by fixed statistics and the
    classifier's own `Normalized` are multiplied out, so a map of D numbers to m holds D x m of
    them: this is for small networks. Layers must follow each other in `torch.nn.Sequential`.

    Args:
        classifier: module of such layers.
        images: inputs, at which the logits of both are compared.
        activations: kinds of layers that may stand between affine maps.

    Raises ValueError for another layer, and where the logits differ.
    """
    if not isinstance(classifier, nn.Module):
        raise ValueError(
            "the layers of a classifier are read from a torch.nn.Module; got "
            f"{type(classifier).__name__}: give the network itself"
        )
    network = deepcopy(classifier).cpu().double().eval().requires_grad_(False)
    parts, kept = [nn.Sequential()], []
    for layer in _layers(network):
        if type(layer) in activations:
            parts.append(nn.Sequential())
            kept.append(layer)
        elif type(layer) in AFFINE:
            parts[-1].append(layer)
        else:
            known = ", ".join(kind.__name__ for kind in (*AFFINE, *activations))
            raise ValueError(
                f"layers must be of {known}, one after the other; got {type(layer).__name__}: "
                "write the network as torch.nn.Sequential of these"
            )
    maps, example = [], images[:1].cpu().double()
    with torch.no_grad():
        for part, activation in zip(parts, [*kept, nn.Identity()], strict=True):
            maps.append(_multiplied_out(part, example))
            example = activation(part(example))
    chain = AffineChain(tuple(maps), tuple(kept))
    _check_logits(chain, classifier, images)
    return chain


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers in their order; what is around a network is taken from around it."""
    if type(network).forward is nn.Sequential.forward:
        for part in network.children():
            yield from _layers(part)
    elif isinstance(network, Normalized):
        inner, network.network = network.network, nn.Identity()
        yield network
        yield from _layers(inner)
    else:
        yield network


def _multiplied_out(part: nn.Module, example: Tensor) -> AffineMap:
    """Return the matrix of an affine module whose inputs are like `example` `(1, *shape)`."""
    count = example.numel()
    zero = torch.zeros_like(example)
    bias = part(zero).flatten()
    units = torch.eye(count, dtype=torch.float64).view(count, *example.shape[1:])
    return AffineMap((part(units).flatten(1) - bias).mT.contiguous(), bias)


def _check_logits(chain: AffineChain, classifier: Classifier, images: Tensor) -> None:
    """Raise ValueError unless the chain has the classifier's logits."""
    with frozen(classifier), torch.no_grad():
        own = logits_of(classifier, images).cpu().double()
    if not ((chain(images) - own).abs() <= CLOSE * own.abs().amax()).all():
        raise ValueError(
            "the layers alone do not give the classifier's logits: it has hooks, or layers that "
            "change with the batch; give the network without them"
        )
