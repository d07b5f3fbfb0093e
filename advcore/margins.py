"""Margins in subspaces: the norm of the minimal perturbation inside each (article, eq. 18)."""

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from advcore.attacks import Adversarial, Attack, DeepFool
from advcore.attacks.attack import has_budget, norm_of
from advcore.batch_rows import rows_at_once
from advcore.box import keeps_box
from advcore.classifier import (
    Around,
    Classifier,
    check_batch,
    check_images,
    frozen,
    full_precision,
    predict,
    take_rows,
)
from advcore.criteria import Untargeted
from advcore.folding import folded
from advcore.logit_gradients import jacobian
from advcore.randomness import Randomness
from advcore.subspaces import Family, Restricted
from advcore.tangent import Tangent

LIKELIEST = 10
"""Number of logits of each image that are linearised for all subspaces at once; an attack that asks
for others pays for them itself."""

ROUNDINGS = 32
"""A gradient whose part in a subspace is below so many roundings of its length has none there."""


class MarginStatus(IntEnum):
    """The ways in which the search in one subspace can end."""

    FOUND = 0
    CENSORED = 1
    """Nothing was found within the attack's steps or the search radius: the margin is larger than
    what was searched."""
    DEAD = 2
    """The gradients of the likeliest logits at the image have no part in the subspace, beyond
    rounding."""


@dataclass(frozen=True, eq=False)
class SubspaceMargins:
    """Margins of samples along subspaces, `(subspace, sample)` each.

    - `distance`: `||r||_2` in pixel units, inf where none was found; what the attack adds to step
      over the boundary counts.
    - `found` bool; `status` int8: see `MarginStatus`.
    """

    distance: Tensor
    found: Tensor
    status: Tensor


def margins(
    classifier: Classifier,
    images: Tensor,
    family: Family,
    attack: Attack | None = None,
    rows: int | None = None,
    randomness: Randomness | None = None,
    radius: float = torch.inf,
) -> SubspaceMargins:
    """Measure `min ||r||_2` with `f(x + r) != f(x)` and `r` in a subspace.

    This is done for every sample and every subspace of a family.

    f(x) is the predicted label, and there is no box, as in the article. An upper bound; with the
    default attack (1 + 0.02) |f| / ||Q^T w||, the exact margin times its overshoot, for affine
    classifiers.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        family: family of subspaces.
        attack: a minimal-norm l2 attack without a box, see `check_attack`; `DeepFool(norm="l2",
            box=False)` when None.
        rows: samples x subspaces that are attacked as one batch, see `batch_rows.rows_at_once`;
            1,024 at most when None. Only memory and speed depend on it.
        randomness: noise for an attack that draws any; a sample's is the same in all subspaces.
        radius: margins beyond it, in pixel units, count as not found.

    The classifier is linearised at each image once, for all subspaces.
    """
    attack = DeepFool(norm="l2", box=False) if attack is None else attack
    check_attack(attack)
    images = check_images(images)
    if not radius > 0:
        raise ValueError(f"radius must be positive, in pixel units; got {radius}")
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    rows = rows_at_once(rows, images, 1024)
    positions = torch.arange(len(family), device=images.device)
    groups = torch.arange(len(images), device=images.device).split(max(1, rows // len(family)))
    first = torch.zeros(1, dtype=torch.int64, device=images.device)
    with (
        full_precision(),
        frozen(classifier),
        folded(take_rows(classifier, first), images[:1]),
        torch.no_grad(),
    ):
        parts = []
        for group in groups:
            own, some, noise = take_rows(classifier, group), images[group], randomness.take(group)
            tangent = Tangent.at(own, some, LIKELIEST)
            found = [
                _attack_rows(attack, own, some, noise, family, tangent, which, radius)
                for which in positions.split(rows)
            ]
            parts.append(tuple(torch.cat(column) for column in zip(*found, strict=True)))
    distance, status = (torch.cat(column, 1) for column in zip(*parts, strict=True))
    return SubspaceMargins(distance, status == MarginStatus.FOUND, status)


def minimal_perturbations(
    classifier: Classifier,
    images: Tensor,
    attack: Attack | None = None,
    randomness: Randomness | None = None,
) -> Adversarial:
    """Return the minimal perturbations in the whole of image space.

    They solve `min ||r||_2` with `f(x + r) != f(x)` and are the `images` of the record.

    As in `margins`: f(x) is the predicted label, there is no box, `attack` is `DeepFool(norm="l2",
    box=False)` when None, and the distance is an upper bound. The images `(B, C, H, W)` may be
    anything finite.
    """
    attack = DeepFool(norm="l2", box=False) if attack is None else attack
    check_attack(attack)
    check_batch(images)
    with full_precision():
        labels = predict(classifier, images)
        return attack(
            Around(classifier, images), torch.zeros_like(images), Untargeted(labels), randomness
        )


def check_attack(attack: Attack) -> None:
    """Raise ValueError unless the attack is a minimal-norm one in l2 and without a box.

    All attacks that it wraps must be so too.
    """
    if has_budget(attack) or norm_of(attack) != "l2" or keeps_box(attack):
        raise ValueError(
            f"margins need a minimal-norm l2 attack without a box: {{kind: deepfool, norm: l2, "
            f"box: false}}; got {attack!r}"
        )


def _attack_rows(
    attack: Attack,
    classifier: Classifier,
    images: Tensor,
    randomness: Randomness,
    family: Family,
    tangent: Tangent,
    positions: Tensor,
    radius: float,
) -> tuple[Tensor, Tensor]:
    """Return distances and statuses `(positions, n)` in these members of the family.

    All images are attacked as one batch.
    """
    which, sample = (
        part.reshape(-1) for part in torch.meshgrid(positions, tangent.index, indexing="ij")
    )
    restricted = Restricted(
        take_rows(classifier, sample), images[sample], family.rows(which), tangent.take(sample)
    )
    start = images.new_zeros(len(sample), family.dim)
    result = attack(
        restricted, start, Untargeted(tangent.logits.argmax(1)[sample]), randomness.take(sample)
    )
    distance = result.distance.masked_fill(result.distance > radius, torch.inf)
    status = torch.where(torch.isfinite(distance), MarginStatus.FOUND, MarginStatus.CENSORED).to(
        torch.int8
    )
    dead = _dead(tangent, restricted, start)
    status, distance = (
        status.masked_fill(dead, MarginStatus.DEAD),
        distance.masked_fill(dead, torch.inf),
    )
    return distance.view(len(positions), -1), status.view(len(positions), -1)


def _dead(tangent: Tangent, restricted: Restricted, start: Tensor) -> Tensor:
    """Return where the gradients of the likeliest logits are equal up to rounding, `(B,)`.

    Only their parts in the subspace are compared.
    """
    _, inside = jacobian(
        restricted, start, lambda logits: logits.topk(min(LIKELIEST, logits.shape[1]), dim=1).values
    )
    whole = tangent.gradients.flatten(2)
    most = torch.linalg.vector_norm(whole[:, 1:] - whole[:, :1], dim=2).amax(1)
    own = torch.linalg.vector_norm(inside[:, 1:] - inside[:, :1], dim=2).amax(1)
    return own <= ROUNDINGS * torch.finfo(own.dtype).eps * most.repeat(len(own) // len(most))
