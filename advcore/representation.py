"""The units of a layer, and features of them that a fresh classifier reads."""

from collections.abc import Mapping

import torch
from torch import Tensor

from advcore.classifier import Classifier, frozen, full_precision
from advcore.layers import layer_inputs


def units_of(classifier: Classifier, inputs: Tensor, layer: str) -> Tensor:
    """Return what goes into a layer, `(B, n)` float64 on the CPU; the classifier is held still."""
    with full_precision(), frozen(classifier), torch.no_grad():
        _, held = layer_inputs(classifier, inputs, [layer])
    return held[layer].flatten(1).cpu().double()


def features_of(units: Tensor, learnt: Mapping[str, Tensor]) -> Tensor:
    """Return the features `(B, n + hidden + 1)` of units `(B, n)`, the last one 1; float64."""
    own = (units - learnt["mean"].double()) / learnt["spread"].double()
    ones = torch.ones_like(own[:, :1])
    whole = torch.cat([own, ones], 1)
    return torch.cat([own, (whole @ learnt["projection"].double().mT).relu(), ones], 1)
