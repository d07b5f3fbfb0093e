"""The regions in which attacks with a budget search: balls, or those of other threat models."""

from dataclasses import replace

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import SearchResult
from advcore.classifier import Classifier
from advcore.threats.ball import Ball
from advcore.threats.region import Region, ThreatModel


def region_of(
    threat: ThreatModel | None,
    norm: str,
    images: Tensor,
    radius: Tensor,
    box: bool,
    classifier: Classifier,
) -> Region:
    """Return the region of each image: of the threat model, or the ball of the norm without one."""
    if threat is not None:
        return threat.around(images, radius, classifier)
    return Ball.of(norms.norm_by_name(norm), images, radius, box)


def at_inputs(region: Region, result: SearchResult) -> SearchResult:
    """Return a result in the parameters of a region as one in its inputs, with their sizes."""
    if isinstance(region, Ball):
        return result
    with torch.no_grad():
        return replace(result, images=region.apply(result.images), sizes=region.size(result.images))
