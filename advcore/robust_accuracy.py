"""Robust accuracy over a grid of eps (article, eq. 12) by several attacks, in one run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore.attacks.attack import Attack, Status, has_budget, with_budget
from advcore.classifier import Classifier, full_precision, predict, take_rows
from advcore.criteria import Untargeted, as_labels
from advcore.norms import per_sample
from advcore.randomness import Randomness


@dataclass(frozen=True, eq=False)
class Bounds:
    """The bounds of each sample `(B,)` after an attack and those before it.

    Also what this attack alone found.

    - `prediction`: the likeliest class of the clean image.
    - `broken_at`: the smallest eps of the grid within which an adversarial image is known; 0 where
      the prediction is wrong, inf where none is known. It can only fall: the robust accuracy, the
      share with `broken_at > eps`, is an upper bound (eq. 12) and never rises with eps.
    - `distance`: the norm of the shortest perturbation known that changes the *predicted* label
      (eq. 13), inf where none is known. On wrong predictions only minimal-norm attacks look for
      one.
    - `images` `(B, *shape)`: those perturbed images, and the clean ones where none is known.
    - `status` int8: see `advcore.attacks.Status`; a wrong prediction is ALREADY_WRONG.
    - `own_broken_at`, `own_distance`: the same as `broken_at` and `distance`, of this attack alone;
      NaN where that is unknown: a budget attack looks only below what is known, and where it finds
      nothing there it did not look further up.
    - `queries`, `gradients` int64: what this attack spent.
    """

    prediction: Tensor
    broken_at: Tensor
    distance: Tensor
    images: Tensor
    status: Tensor
    own_broken_at: Tensor
    own_distance: Tensor
    queries: Tensor
    gradients: Tensor


def check_grid(eps: Sequence[float]) -> None:
    """Raise ValueError unless `eps` grows and holds finite positive radii, at least one."""
    if isinstance(eps, int | float):
        raise ValueError(
            "eps must be a growing list of finite positive radii in pixel units; got the number "
            f"{eps}: write [{eps}]"
        )
    if not eps or any(not 0 < value < math.inf for value in eps) or list(eps) != sorted(set(eps)):
        zero = "; leave 0 out: it is always measured" if 0 in eps else ""
        raise ValueError(
            "eps must be a growing list of finite positive radii in pixel units; got "
            f"{list(eps)}{zero}"
        )


def robust_accuracy(broken_at: Tensor, eps: Sequence[float]) -> list[float]:
    """Return robust accuracy at each eps.

    It is the share of samples classified right that no known perturbation within eps changes.
    """
    return [
        (broken_at > radius).double().mean().item()
        for radius in torch.tensor(eps, dtype=broken_at.dtype)
    ]


def robust_accuracy_curve(
    attacks: Sequence[Attack],
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    eps: Sequence[float],
    randomness: Randomness | None = None,
) -> list[float]:
    """Return robust accuracy at each eps under all the attacks together.

    The arguments are those of `attack_over`, which also says which samples broke, and how.
    """
    bounds = attack_over(attacks, classifier, images, labels, eps, randomness)[-1]
    return robust_accuracy(bounds.broken_at, eps)


def attack_over(
    attacks: Sequence[Attack],
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    eps: Sequence[float],
    randomness: Randomness | None = None,
) -> list[Bounds]:
    """Return the bounds after each of the attacks, in their order, all in one norm.

    A minimal-norm attack runs once, on all samples, and gives the whole curve. A budget attack
    starts from what is known already: a sample with a known distance is attacked at the largest eps
    of the grid below it, and further down as long as that succeeds; all samples at once, each at
    its own eps. Where no distance is known it is attacked at each eps, the smallest first, until it
    breaks. So a curve of a minimal-norm and a budget attack costs little more than the two attacks,
    whatever the grid.

    Args:
        images: `(B, *shape)` in [0, 1].
        labels: `(B,)`, the true ones.
        eps: growing, in pixel units.
    """
    check_grid(eps)
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    with full_precision():
        prediction = predict(classifier, images)
        known = _nothing(images, prediction, as_labels(labels).to(images.device))
        grid = torch.tensor([*eps, torch.inf], dtype=images.dtype, device=images.device)
        case = _Case(classifier, images, Untargeted(prediction), grid, randomness)
        history = []
        for attack in attacks:
            known = (_budget if has_budget(attack) else _minimal)(attack, known, case)
            history.append(known)
    return history


def union(history: Sequence[Bounds]) -> Bounds:
    """Return what several attacks together found of the same samples, and what they spent."""
    last, nearest = history[-1], torch.stack([bounds.distance for bounds in history]).min(0)
    broken_at = torch.stack([bounds.broken_at for bounds in history]).amin(0)
    images = torch.stack([bounds.images for bounds in history])[
        nearest.indices, torch.arange(len(last.distance), device=last.distance.device)
    ]
    status = _status(last, nearest.values, Status.ROBUST)
    spent = [
        torch.stack([getattr(bounds, name) for bounds in history]).sum(0)
        for name in ("queries", "gradients")
    ]
    return Bounds(
        last.prediction,
        broken_at,
        nearest.values,
        images,
        status,
        broken_at,
        nearest.values,
        *spent,
    )


@dataclass(frozen=True, eq=False)
class _Case:
    """The inputs that all the attacks share; `grid` `(E + 1,)` ends in inf."""

    classifier: Classifier
    images: Tensor
    criterion: Untargeted
    grid: Tensor
    randomness: Randomness


def _nothing(images: Tensor, prediction: Tensor, labels: Tensor) -> Bounds:
    """The bounds before any attack has run."""
    wrong = prediction != labels
    unknown = images.new_full((len(images),), torch.inf)
    status = torch.where(wrong, Status.ALREADY_WRONG, Status.ROBUST).to(torch.int8)
    spent = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    broken_at = unknown.masked_fill(wrong, 0)
    return Bounds(
        prediction, broken_at, unknown, images.detach(), status, broken_at, unknown, spent, spent
    )


def _minimal(attack: Attack, known: Bounds, case: _Case) -> Bounds:
    """Run a minimal-norm attack once on all samples."""
    result, grid = attack(case.classifier, case.images, case.criterion, case.randomness), case.grid
    shorter = result.distance < known.distance
    distance = torch.where(shorter, result.distance, known.distance)
    reached = torch.where(per_sample(shorter, known.images), result.images, known.images)
    own = grid[torch.searchsorted(grid, result.distance)].masked_fill(known.broken_at == 0, 0)
    status = _status(known, distance, Status.FAILED)
    return replace(
        known,
        broken_at=own.minimum(known.broken_at),
        distance=distance,
        images=reached,
        status=status,
        own_broken_at=own,
        own_distance=result.distance,
        queries=result.queries,
        gradients=result.gradients,
    )


def _budget(attack: Attack, known: Bounds, case: _Case) -> Bounds:
    """Return the bounds after a budget attack on what a smaller eps than is known may break."""
    grid = case.grid
    place = torch.searchsorted(
        grid, known.broken_at
    )  # of broken_at on the grid: 0 is as low as it gets, also for the wrong ones
    distance, reached = known.distance.clone(), known.images.clone()
    queries, gradients = torch.zeros_like(place), torch.zeros_like(place)
    own_distance = torch.full_like(distance, torch.inf).masked_fill(
        torch.isfinite(known.distance), torch.nan
    )

    def attack_rows(rows: Tensor, places: Tensor) -> Tensor:
        """Attack the samples `rows` at these places of the grid; those that break."""
        own = with_budget(attack, grid[places])
        result = own(
            take_rows(case.classifier, rows),
            case.images[rows],
            case.criterion.take(rows),
            case.randomness.take(rows),
        )
        queries[rows] += result.queries
        gradients[rows] += result.gradients
        broken = rows[result.found]
        distance[broken], reached[broken] = (
            result.distance[result.found],
            result.images[result.found],
        )
        own_distance[broken] = distance[broken]
        shorter = torch.searchsorted(grid, distance[broken])  # perhaps by several places
        place[broken] = places[result.found].minimum(shorter)
        return broken

    below = (place > 0) & torch.isfinite(known.distance)
    rows, unknown = below.nonzero()[:, 0], ((place > 0) & ~below).nonzero()[:, 0]
    while len(rows):
        broken = attack_rows(rows, place[rows] - 1)
        rows = broken[place[broken] > 0]
    for step in range(len(grid) - 1):
        if not len(unknown):
            break
        attack_rows(unknown, torch.full_like(unknown, step))
        unknown = unknown[torch.isinf(distance[unknown])]
    broken_at = torch.where(known.broken_at == 0, 0, grid[place])
    own_broken_at = torch.where(own_distance.isnan(), torch.nan, grid[place]).masked_fill(
        known.broken_at == 0, 0
    )
    return replace(
        known,
        broken_at=broken_at,
        distance=distance,
        images=reached,
        status=_status(known, distance, Status.ROBUST),
        own_broken_at=own_broken_at,
        own_distance=own_distance,
        queries=queries,
        gradients=gradients,
    )


def _status(known: Bounds, distance: Tensor, not_found: Status) -> Tensor:
    status = torch.where(torch.isfinite(distance), Status.BROKEN, not_found).to(torch.int8)
    return status.masked_fill(known.status == Status.ALREADY_WRONG, Status.ALREADY_WRONG)
