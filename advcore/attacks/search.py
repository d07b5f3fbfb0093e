"""The frame around every search: what all attacks check before, and verify after."""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.classifier import (
    Classifier,
    check_finite,
    check_images,
    check_labels,
    check_tensor,
    first_logits,
    frozen,
    full_precision,
    logits_of,
    take_rows,
)
from advcore.criteria import Criterion, check_criterion
from advcore.norms import Norm
from advcore.randomness import Randomness


def check_arguments(images: object, criterion: object) -> None:
    """Raise ValueError for images that are no floating tensor, TypeError for no criterion."""
    check_tensor(images)
    check_criterion(criterion)


SearchFunction = Callable[..., SearchResult]
"""The part of an attack that is its own, called under a frozen classifier with the samples that are
not adversarial yet: `search(classifier, images, criterion, randomness)`, and their radii `(n,)`
where the attack has a budget."""


def solve(
    search: SearchFunction,
    norm: Norm,
    not_found: Status,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness | None = None,
    box: bool = True,
    radius: Tensor | None = None,
) -> Adversarial:
    """Check the input, search on the samples that are not adversarial yet, verify.

    Nothing is found but what a forward pass of the returned image confirms.

    `box` says that images must lie in [0, 1], where a few roundings outside are drawn in (they may
    be anything finite otherwise, coordinates in a subspace too); `radius` `(B,)` is handed to a
    search with a budget, which a sample with radius 0 has none of. Raises ValueError for images,
    logits or labels that cannot be attacked, and for randomness of another number of samples.
    """
    check_arguments(images, criterion)
    images = (check_images(images) if box else images).detach()
    if not len(images):
        raise ValueError("images hold no sample; a batch needs at least one")
    criterion = criterion.to(images.device)
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    randomness.check(len(images))
    with full_precision(), frozen(classifier):
        logits = first_logits(classifier, images)
        check_labels(criterion.classes, len(images), logits.shape[1])
        already = criterion.holds(logits)
        standing = (~already if radius is None else ~already & (radius > 0)).nonzero()[:, 0]
        result, found = images.clone(), already.clone()
        sizes: Tensor | None = None
        queries = torch.ones(len(images), dtype=torch.int64, device=images.device)
        gradients = torch.zeros_like(queries)
        trace = None
        if len(standing):
            own = take_rows(classifier, standing)
            radii = [] if radius is None else [radius[standing]]
            tries = search(
                own, images[standing], criterion.take(standing), randomness.take(standing), *radii
            )
            result[standing] = tries.images
            if tries.sizes is not None:
                sizes = images.new_zeros(len(images)).index_copy(0, standing, tries.sizes)
            queries[standing] += tries.queries
            gradients[standing] = tries.gradients
            trace = _spread(tries.trace, standing, len(images))
            reached, claimed = (
                tries.logits,
                standing if tries.claimed is None else standing[tries.claimed],
            )
            if reached is None and len(claimed):
                with torch.no_grad():
                    reached = logits_of(take_rows(classifier, claimed), result[claimed])
                queries[claimed] += 1
            if reached is not None:
                check_finite(reached)
                found[claimed] = criterion.take(claimed).holds(reached)
    status = torch.where(
        already, Status.ALREADY_WRONG, torch.where(found, Status.BROKEN, not_found)
    ).to(torch.int8)
    distance = (norm.size(result - images) if sizes is None else sizes).masked_fill(
        ~found, torch.inf
    )
    return Adversarial(result, found, distance, status, queries, gradients, trace)


def _spread(trace: Tensor | None, standing: Tensor, count: int) -> Tensor | None:
    """Return the trace of `count` samples, from that of the `standing` ones; 0 for the others."""
    if trace is None:
        return None
    whole = trace[:1].repeat(count, 1, 1)
    whole[..., 1] = 0
    return whole.index_copy(0, standing, trace)
