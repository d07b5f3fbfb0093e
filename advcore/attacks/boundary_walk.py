"""The one loop of the attacks that walk about the boundary, inside and outside.

It keeps the shortest adversarial iterate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.attacks.ascent import evaluate
from advcore.attacks.attack import SearchResult
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Norm, per_sample
from advcore.objectives import Objective


@dataclass(frozen=True, eq=False)
class Iterate:
    """The iterates of one step, with what is known of them.

    The `images` `(B, *shape)` where it stands and their `perturbations`, the objective's `value`
    `(B,)` and `gradient` there, which are adversarial (`found`), and the length of the `shortest`
    adversarial perturbation so far (inf where none).
    """

    images: Tensor
    perturbations: Tensor
    value: Tensor
    gradient: Tensor
    found: Tensor
    shortest: Tensor


Move = Callable[[int, Iterate], Tensor]
"""Function from the number of the step, 0 first, and what it sees to the next images `(B,
*shape)`."""


def walk(
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    objective: Objective,
    norm: Norm,
    steps: int,
    move: Move,
) -> SearchResult:
    """Look at `steps` iterates; return the shortest adversarial one of each sample.

    The first iterate is `images`.

    Where none was adversarial, it is the last one. Nobody leaves: one forward and one backward pass
    per step and sample, and the batch, hence the rounding, is the same at each step and in the
    verification.
    """
    current, result = images, images.clone()
    shortest = images.new_full((len(images),), torch.inf)
    for step in range(steps):
        gradient, value, logits = evaluate(classifier, current, criterion, objective)
        found = criterion.holds(logits)
        perturbations = current - images
        sizes = norm.size(perturbations)
        better = found & (sizes < shortest)
        shortest = torch.where(better, sizes, shortest)
        result = torch.where(per_sample(better, images), current, result)
        if step + 1 < steps:
            current = move(step, Iterate(current, perturbations, value, gradient, found, shortest))
    result = torch.where(per_sample(shortest.isinf(), images), current, result)
    spent = torch.full((len(images),), steps, dtype=torch.int64, device=images.device)
    return SearchResult(result, spent, spent.clone())


def cosine(first: float, last: float, step: int, steps: int) -> float:
    """Return the value between `first` and `last` at a step, along half a cosine.

    It is `first` at step 0, `last` after `steps` (Loshchilov and Hutter 2017).
    """
    return last + (first - last) * (1 + math.cos(math.pi * step / steps)) / 2
