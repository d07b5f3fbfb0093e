"""foolbox's attacks (Rauber et al. 2020) as ours."""

import inspect
import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from advcore.attacks import Adversarial
from advcore.attacks.budget import check_eps
from advcore.classifier import Classifier
from advcore.criteria import Criterion, Targeted, classes_of
from advcore.norms import Radius
from advcore.randomness import Randomness
from advcore.workers.adapters.catalogue import Settings, check_settings, choose, library, parameters
from advcore.workers.adapters.peer import SizeName, attack_by
from advcore.workers.errors import InputError

NORMS = {0: "l0", 1: "l1", 2: "l2", math.inf: "linf"}
"""By the `p` of foolbox's distances."""


@dataclass(frozen=True)
class Foolbox:
    """One of foolbox's attacks with a budget (`FixedEpsilonAttack`), where foolbox is installed.

    Its result is foolbox's `clipped`, drawn into the ball by foolbox. See
    `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded.

    Attributes:
        name: of the class in `foolbox.attacks`: LinfPGD, L2AdamPGD, ...
        norm: the attack's, checked.
        settings: its own, as `{steps: 40}`.
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        one_by_one: each sample is a batch of its own; slower, and its row does not depend on
            others.
    """

    name: str
    norm: SizeName
    settings: Settings = field(default_factory=dict, hash=False)
    eps: Radius | None = None
    one_by_one: bool = False

    def __post_init__(self) -> None:
        check_eps(self.eps)
        _make("foolbox", self.name, self.norm, self.settings)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        check_eps(self.eps, wanted=True)
        peer = partial(_run, _make("foolbox", self.name, self.norm, self.settings))
        return attack_by(
            peer, self.norm, self.eps, self.one_by_one, classifier, images, criterion, randomness
        )


@dataclass(frozen=True)
class FoolboxMinimal:
    """One of foolbox's attacks that look for the shortest way (`MinimizationAttack`), where foolbox
    is installed.

    See `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded.

    Attributes:
        name: of the class in `foolbox.attacks`: DDNAttack, L2FMNAttack, L2CarliniWagnerAttack,
            L2DeepFoolAttack, ...
        norm: the attack's, checked; handed on to attacks that take any distance.
        settings: its own, as `{steps: 40}`.
        one_by_one: each sample is a batch of its own; slower, and its row does not depend on
            others.
    """

    name: str
    norm: SizeName
    settings: Settings = field(default_factory=dict, hash=False)
    one_by_one: bool = False

    def __post_init__(self) -> None:
        _make("foolbox_minimal", self.name, self.norm, self.settings)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        peer = partial(_run, _make("foolbox_minimal", self.name, self.norm, self.settings))
        return attack_by(
            peer, self.norm, None, self.one_by_one, classifier, images, criterion, randomness
        )


def _make(kind: str, name: str, norm: SizeName, settings: Settings) -> Any:
    """Foolbox's attack.

    Raises InputError where it does not exist, is of the other kind, or does not take these settings
    or norm.
    """
    foolbox = library("foolbox", "foolbox")
    if norm not in NORMS.values():
        raise InputError(
            f"{kind}: foolbox measures in {', '.join(NORMS.values())}; got norm {norm}"
        )
    classes = {key: value for key, value in vars(foolbox.attacks).items() if inspect.isclass(value)}
    bases = {
        "foolbox": foolbox.attacks.base.FixedEpsilonAttack,
        "foolbox_minimal": foolbox.attacks.base.MinimizationAttack,
    }
    kinds = {
        own: {key: value for key, value in classes.items() if issubclass(value, base)}
        for own, base in bases.items()
    }
    make: Any = choose(kind, name, kinds)
    known = parameters(make)
    check_settings(kind, name, settings, known - {"distance"})
    distance = {"distance": getattr(foolbox.distances, norm)} if "distance" in known else {}
    attack = make(**settings, **distance)
    own = NORMS.get(attack.distance.p)
    if own != norm:
        raise InputError(f"{kind}: {name} measures in {own}; got norm {norm}")
    return attack


def _run(
    attack: Any,
    network: nn.Module,
    images: Tensor,
    criterion: Criterion,
    seed: int,
    eps: float | None,
) -> Tensor:
    foolbox = library("foolbox", "foolbox")
    targeted = isinstance(criterion, Targeted)
    goal = (
        foolbox.criteria.TargetedMisclassification
        if targeted
        else foolbox.criteria.Misclassification
    )
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device=images.device)
    try:
        _, clipped, _ = attack(model, images, goal(classes_of(criterion)), epsilons=eps)
    except ValueError as error:
        if str(error) != "unsupported criterion":
            raise
        raise ValueError(
            f"foolbox's {type(attack).__name__} takes no {type(criterion).__name__} criterion; "
            "choose another attack or criterion"
        ) from error
    return clipped
