"""The seam of the attacks: one call, and a record that says, per sample, how it ended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol, TypeGuard

import torch
from torch import Tensor

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
from advcore.criteria import Criterion, check_criterion, classes_of
from advcore.norms import Norm, Radius
from advcore.randomness import Randomness


class Status(IntEnum):
    """How an attack on one sample ended."""

    ALREADY_WRONG = 0
    """The criterion held before the attack; the distance is 0 and the image untouched."""
    BROKEN = 1
    """An adversarial image was found, and a forward pass of exactly that image confirmed it."""
    ROBUST = 2
    """A budget attack found none within its eps."""
    FAILED = 3
    """A minimal-norm attack found none; the distance is unknown (inf), the sample is censored."""


@dataclass(frozen=True, eq=False)
class Adversarial:
    """The result of an attack on a batch.

    - `images` `(B, *shape)`: the adversarial images; where none was found, the last try, with
      `found` False.
    - `found` `(B,)` bool, verified by a forward pass of `images` as they stand.
    - `distance` `(B,)`: size of the perturbation in the attack's norm, pixel units; inf where not
      found.
    - `status` `(B,)` int8: see `Status`.
    - `queries`, `gradients` `(B,)` int64: images sent forward, and backward passes, per sample.

    Unpacks as `raw, clipped, success` for those who come from foolbox.
    """

    images: Tensor
    found: Tensor
    distance: Tensor
    status: Tensor
    queries: Tensor
    gradients: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.images, self.images.clamp(0, 1), self.found))


class Attack(Protocol):
    """A frozen dataclass of hyper-parameters; calling it attacks a batch.

    Model, mode, parameter gradients, inputs and the global random state are left as they were.
    """

    @property
    def norm(self) -> str:
        """The name of the norm of its perturbations: l0, l1, l2, linf, pixels."""

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        """Attack images `(B, C, H, W)` in [0, 1]; `randomness` keys the noise, seed 0 and the place
        in the batch when None.
        """


class BudgetAttack(Attack, Protocol):
    """An attack that searches inside a ball."""

    @property
    def eps(self) -> float | Tensor | None:
        """The ball's radius in units of the norm, one for all samples or `(B,)`; None where it is
        given later, as by a study's grid.
        """


def has_budget(attack: Attack) -> TypeGuard[BudgetAttack]:
    """True if the attack searches inside a ball whose radius is its `eps`; otherwise it looks for
    the shortest way.

    An attack that wraps others has a budget when they have one: its property `eps` is theirs.
    """
    return hasattr(attack, "eps")


def with_budget(attack: Attack, eps: Radius) -> Attack:
    """A budget attack with another radius, in pixel units, or another one for each sample; a
    wrapper hands it on to all that it wraps. With radii `(B,)` it stands for its batch alone.
    """
    if not has_budget(attack):
        raise ValueError(f"{attack_name(attack)} looks for the shortest way and takes no eps")
    values: dict[str, object]
    if hasattr(attack, "attack"):
        values = {"attack": with_budget(attack.attack, eps)}
    elif hasattr(attack, "attacks"):
        values = {"attacks": tuple(with_budget(part, eps) for part in attack.attacks)}
    else:
        values = {"eps": eps}
    return replace(attack, **values)  # type: ignore[type-var]


def wrapped(holder: object) -> tuple[Attack, ...]:
    """The attacks that an attack wraps, or that something else holds: its field `attack`, or
    `attacks`.
    """
    attack = getattr(holder, "attack", None)
    return tuple(getattr(holder, "attacks", ())) if attack is None else (attack,)


def norm_of(attack: Attack) -> str:
    """Return the name of the norm in which an attack measures."""
    return attack.norm


def attack_name(attack: Attack) -> str:
    """A short name for tables and legends: class, its `name` or the wrapped attacks if any, norm:
    `bisected-deepfool-l2`.
    """
    own = "-".join(
        [type(attack).__name__, *([attack.name] if hasattr(attack, "name") else [])]
    ).lower()
    return f"{own}-{'+'.join(map(attack_name, wrapped(attack))) or norm_of(attack)}"


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search hands back for its samples: images `(B, *shape)`, and what it spent, `(B,)`
    each.

    `logits` `(B, K)`: of a forward pass of exactly these images, where the search ends with one of
    every sample; None asks for it. `claimed` `(B,)` bool: which of them to verify, where the search
    saw that the criterion does not hold for the others; None asks for all.
    """

    images: Tensor
    queries: Tensor
    gradients: Tensor
    logits: Tensor | None = None
    claimed: Tensor | None = None


def check_arguments(images: object, criterion: object) -> None:
    """Raise what every attack raises for images that are no floating tensor (ValueError), and for
    what is no criterion (TypeError).
    """
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
    """Check the input, set already adversarial samples aside, search on the others, verify what
    comes back: nothing is found but what a forward pass of the image handed back confirms.

    `box` says that images must lie in [0, 1], where a few roundings outside are drawn in (they may
    be anything finite otherwise, coordinates in a subspace too); `radius` `(B,)` is handed to a
    search with a budget, which a sample with radius 0 has none of. Raises ValueError for images,
    logits or labels that cannot be attacked.
    """
    check_arguments(images, criterion)
    images = (check_images(images) if box else images).detach()
    if not len(images):
        raise ValueError("images hold no sample; a batch needs at least one")
    criterion = criterion.to(images.device)
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    with full_precision(), frozen(classifier):
        logits = first_logits(classifier, images)
        check_labels(classes_of(criterion), len(images), logits.shape[1])
        already = criterion.holds(logits)
        standing = (~already if radius is None else ~already & (radius > 0)).nonzero()[:, 0]
        result, found = images.clone(), already.clone()
        queries = torch.ones(len(images), dtype=torch.int64, device=images.device)
        gradients = torch.zeros_like(queries)
        if len(standing):
            own = take_rows(classifier, standing)
            radii = [] if radius is None else [radius[standing]]
            tries = search(
                own, images[standing], criterion.take(standing), randomness.take(standing), *radii
            )
            result[standing] = tries.images
            queries[standing] += tries.queries
            gradients[standing] = tries.gradients
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
    distance = norm.size(result - images).masked_fill(~found, torch.inf)
    return Adversarial(result, found, distance, status, queries, gradients)
