"""Margins in subspaces (article, eq. 18): the norm of the minimal perturbation that stays inside each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.attacks import Adversarial, Attack, DeepFool
from advcore.attacks.attack import has_budget, norm_of
from advcore.box import keeps_box
from advcore.classifier import Around, Classifier, check_batch, check_images, frozen, full_precision, predict, take_rows
from advcore.criteria import Criterion, Untargeted
from advcore.randomness import Randomness
from advcore.subspaces import Family, Restricted


@dataclass(frozen=True, eq=False)
class Margins:
    """Margins of samples along subspaces, `(subspace, sample)` each.

    - `distance`: `||r||_2` in pixel units, inf where none was found; what the attack adds to step over the boundary counts.
    - `found` bool; `status` int8, see `advcore.attacks.Status`.
    """

    distance: Tensor
    found: Tensor
    status: Tensor


def margins(
    classifier: Classifier,
    images: Tensor,
    family: Family,
    attack: Attack | None = None,
    rows: int = 2048,
    randomness: Randomness | None = None,
) -> Margins:
    """`min ||r||_2` with `f(x + r) != f(x)`, `r` in the subspace, for every sample and every subspace of a family.

    f(x) is the predicted label, and there is no box, as in the article. An upper bound; with the default attack
    (1 + 0.02) |f| / ||Q^T w||, the exact margin times its overshoot, for affine classifiers.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        family: the subspaces.
        attack: a minimal-norm l2 attack without a box, see `check_attack`; `DeepFool(norm="l2", box=False)` when None.
        rows: samples x subspaces that are attacked as one batch; only memory and speed depend on it.
        randomness: noise for an attack that draws any; a sample's is the same in all subspaces.
    """
    attack = DeepFool(norm="l2", box=False) if attack is None else attack
    check_attack(attack)
    check_images(images)
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    samples = len(images)
    with full_precision(), frozen(classifier), torch.no_grad():
        labels = classifier(images).argmax(1)
        which, sample = torch.meshgrid(torch.arange(len(family)), torch.arange(samples), indexing="ij")
        pairs = zip(which.reshape(-1).split(rows), sample.reshape(-1).split(rows), strict=True)
        criterion = Untargeted(labels)
        parts = [
            _attack_rows(attack, classifier, images, criterion, randomness, family, w.to(images.device), s.to(images.device))
            for w, s in pairs
        ]
    distance, found, status = (torch.cat(column).view(len(family), samples) for column in zip(*parts, strict=True))
    return Margins(distance, found, status)


def minimal_perturbations(
    classifier: Classifier, images: Tensor, attack: Attack | None = None, randomness: Randomness | None = None
) -> Adversarial:
    """`min ||r||_2` with `f(x + r) != f(x)` in the whole of image space: the perturbations r themselves, as `images` of the record.

    As in `margins`: f(x) is the predicted label, there is no box, `attack` is `DeepFool(norm="l2", box=False)` when None, and the
    distance is an upper bound. The images `(B, C, H, W)` may be anything finite.
    """
    attack = DeepFool(norm="l2", box=False) if attack is None else attack
    check_attack(attack)
    check_batch(images)
    with full_precision():
        labels = predict(classifier, images)
        return attack(Around(classifier, images), torch.zeros_like(images), Untargeted(labels), randomness)


def check_attack(attack: Attack) -> None:
    """Raise ValueError unless `attack`, and all that it wraps, looks for the shortest way in l2 and without a box."""
    if has_budget(attack) or norm_of(attack) != "l2" or keeps_box(attack):
        raise ValueError(
            f"margins need a minimal-norm l2 attack without a box: {{kind: deepfool, norm: l2, box: false}}; got {attack!r}"
        )


def _attack_rows(
    attack: Attack,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness,
    family: Family,
    which: Tensor,
    sample: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Attack sample `sample[b]` in subspace `which[b]`, for all b as one batch."""
    restricted = Restricted(take_rows(classifier, sample), images[sample], family.rows(which))
    start = images.new_zeros(len(sample), family.dim)
    result = attack(restricted, start, criterion.take(sample), randomness.take(sample))
    return result.distance, result.found, result.status
