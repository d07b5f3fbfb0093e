"""The frame of the attacks with a budget: a search in the region of a threat model.

The lp balls are one such model.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.budget import radii
from advcore.attacks.search import solve
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Radius
from advcore.randomness import Randomness
from advcore.threats.region import ChecksInputs, ThreatModel

RegionSearch = Callable[..., SearchResult]
"""The part of an attack with a budget that is its own: `search(classifier, region, criterion,
randomness)`, whose result's `images` are parameters of the region."""


def solve_in_regions(
    threat: ThreatModel,
    eps: Radius | None,
    search: RegionSearch,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness | None,
) -> Adversarial:
    """Check the input, search the region of size `eps` around each image, verify, as `solve` does.

    Images must lie in [0, 1] unless the threat model says itself what inputs may hold.
    """

    def around(
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness,
        radius: Tensor,
    ) -> SearchResult:
        region = threat.around(images, radius, classifier)
        result = search(classifier, region, criterion, randomness)
        with torch.no_grad():
            sizes = region.size(result.images)
            return replace(result, images=region.apply(result.images), sizes=sizes)

    return solve(
        around,
        norms.LINF,  # the region says how far the search went
        Status.ROBUST,
        classifier,
        images,
        criterion,
        randomness,
        keeps_to_box(threat),
        radii(eps, images),
    )


def climb_in_regions(
    threat: ThreatModel,
    eps: Radius | None,
    search: RegionSearch,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness,
) -> SearchResult:
    """Search for all samples: no check, no status. Call it under `frozen`."""
    region = threat.around(images, radii(eps, images), classifier)
    result = search(classifier, region, criterion, randomness)
    with torch.no_grad():
        return replace(result, images=region.apply(result.images))


def keeps_to_box(threat: ThreatModel) -> bool:
    """Return whether images must lie in [0, 1]: unless the threat model says otherwise."""
    return not isinstance(threat, ChecksInputs) or threat.box
