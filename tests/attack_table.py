"""Every attack with settings that suit small images, to be put through the same tests.

A new attack is one line here.
"""

import pytest
import torch

from advcore import Randomness, Untargeted
from advcore.attacks import (
    APGD,
    APGDT,
    DDN,
    FGSM,
    FMN,
    PGD,
    Bisected,
    CarliniWagner,
    DeepFool,
    FrankWolfe,
    GeoDA,
    HopSkipJump,
    MinimalNorm,
    QFool,
    RayS,
    Restarts,
    Rounded,
    SmallestEps,
    SparseFool,
    Square,
    Staircase,
    StandardEnsemble,
    SurFree,
    Wachter,
    Within,
    Worst,
    WorstOfK,
    WorstOfThreats,
)
from advcore.attacks.attack import has_budget
from advcore.threats import Additive

ATTACKS = [
    FGSM(eps=0.1),
    FGSM(eps=0.4, norm="l2"),
    PGD(eps=0.1, steps=10),
    PGD(eps=0.4, norm="l2", steps=10),
    PGD(eps=1.0, norm="l1", steps=10),
    PGD(eps=0.4, norm="l2", steps=10, random_start=False, objective="logit_margin"),
    PGD(eps=0.4, norm="l2", steps=10, box=False),
    PGD(eps=1.0, norm="l1", steps=10, box=False),
    FGSM(eps=0.1, box=False),
    APGD(eps=1.0, norm="l1", steps=20, box=False),
    APGD(eps=0.1, steps=20, box=False),
    APGDT(eps=0.4, norm="l2", steps=10, targets=2, box=False),
    APGD(eps=0.1, steps=20),
    APGD(eps=0.4, norm="l2", steps=20, objective="logit_ratio"),
    APGD(eps=1.0, norm="l1", steps=20),
    APGDT(eps=0.1, steps=10),
    APGDT(eps=0.4, norm="l2", steps=10, targets=2),
    Square(eps=0.1, queries=200),
    Square(eps=0.4, norm="l2", queries=200),
    Restarts(PGD(eps=0.05, steps=5), 3),
    Worst((FGSM(eps=0.4, norm="l2"), Restarts(PGD(eps=0.4, norm="l2", steps=5), 2))),
    Within(DeepFool(), eps=0.4),
    StandardEnsemble(eps=0.05, steps=10, queries=100),
    StandardEnsemble(eps=0.3, norm="l2", steps=10, queries=100),
    DeepFool(),
    DeepFool(norm="linf"),
    DeepFool(box=False),
    MinimalNorm(),
    MinimalNorm(norm="linf"),
    MinimalNorm(norm="l1", box=False),
    Bisected(DeepFool(), steps=20),
    Bisected(DeepFool(norm="linf"), steps=20),
    DDN(steps=30),
    DDN(steps=30, levels=256),
    DDN(steps=30, box=False, spread=20.0),
    FMN(steps=30),
    FMN(steps=30, norm="l0"),
    FMN(steps=30, norm="l1"),
    FMN(steps=30, norm="linf"),
    FMN(steps=30, box=False),
    CarliniWagner(steps=30, searches=4, learning_rate=0.05, weight=0.1),
    CarliniWagner(steps=30, searches=4, learning_rate=0.05, weight=0.1, box=False),
    SparseFool(),
    SparseFool(norm="l0", control=3.0),
    SparseFool(norm="pixels"),
    Wachter(steps=20, raises=10),
    Rounded(PGD(eps=0.1, steps=10)),
    Rounded(PGD(eps=0.4, norm="l2", steps=10), levels=64),
    Rounded(DeepFool(box=False)),
    GeoDA(queries=150),
    GeoDA(queries=150, norm="l1", noise="normal"),
    GeoDA(queries=150, norm="linf"),
    GeoDA(queries=150, band=3, step="circle"),
    WorstOfK(Additive("l2"), tries=20, eps=3.0),
    FrankWolfe(Additive("l2"), eps=0.4, steps=10),
    WorstOfThreats((FGSM(), PGD(steps=5)), limits=(1.0, 1.0), eps=0.1),
    SmallestEps(PGD(norm="l2", steps=10)),
    HopSkipJump(queries=150, noises=20),
    HopSkipJump(queries=150, noises=20, norm="linf"),
    SurFree(queries=100),
    RayS(queries=100),
    QFool(queries=150, noises=30),
    Staircase(queries=150),
    Staircase(queries=150, band=4),
]
DECISIONS = [
    attack
    for attack in ATTACKS
    if isinstance(attack, GeoDA | HopSkipJump | SurFree | RayS | QFool | Staircase)
]
"""Those that see labels alone."""
GRADIENT_FREE = (Square, WorstOfK, *{type(attack) for attack in DECISIONS})
"""Those that see no gradients."""
BUDGET = [attack for attack in ATTACKS if has_budget(attack)]
MINIMAL = [attack for attack in ATTACKS if not has_budget(attack)]
EXACT = [attack for attack in MINIMAL if isinstance(attack, DeepFool | MinimalNorm | Bisected)]
"""Those that are exact on affine classifiers; the others come close, see test_walks.py."""

FEW = [
    next(attack for attack in ATTACKS if type(attack) is kind)
    for kind in dict.fromkeys(map(type, ATTACKS))
]
"""One attack of each kind."""

every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=repr)
every_kind = pytest.mark.parametrize(
    "attack",
    [
        attack if attack in FEW else pytest.param(attack, marks=pytest.mark.slow)
        for attack in ATTACKS
    ],
    ids=repr,
)
"""One attack of each kind, and every setting in the slow part: for what hangs on no setting."""
COUNT = 12
LABELS = torch.arange(COUNT) % 4


def run(attack, classifier, images, criterion=None, indices=None):
    criterion = criterion or Untargeted(classifier(images).argmax(1))
    return attack(
        classifier,
        images,
        criterion,
        Randomness(0, torch.arange(len(images)) if indices is None else indices),
    )


def in_box(attack) -> bool:
    return getattr(getattr(attack, "attack", attack), "box", True)
