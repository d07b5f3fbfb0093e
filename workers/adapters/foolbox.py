"""foolbox's attacks (Rauber et al. 2020) as ours."""

import inspect
import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from advcore.criteria import Criterion
from advcore.workers.adapters.catalogue import check_settings, choose, library, parameters
from advcore.workers.adapters.library_attack import Adapter, LibraryBudget, LibraryMinimal
from advcore.workers.errors import InputError

NORMS = {0: "l0", 1: "l1", 2: "l2", math.inf: "linf"}
"""Norms by the `p` of foolbox's distances."""


@dataclass(frozen=True)
class FoolboxAdapter(Adapter):
    """One attack of foolbox, an object of a class in `foolbox.attacks`."""

    def make(self) -> Any:
        foolbox = library("foolbox", "foolbox")
        if self.norm not in NORMS.values():
            raise InputError(
                f"{self.kind}: foolbox measures in {', '.join(NORMS.values())}; got norm "
                f"{self.norm}"
            )
        classes = {
            key: value for key, value in vars(foolbox.attacks).items() if inspect.isclass(value)
        }
        bases = {
            "foolbox": foolbox.attacks.base.FixedEpsilonAttack,
            "foolbox_minimal": foolbox.attacks.base.MinimizationAttack,
        }
        kinds = {
            own: {key: value for key, value in classes.items() if issubclass(value, base)}
            for own, base in bases.items()
        }
        make: Any = choose(self.kind, self.name, kinds)
        known = parameters(make)
        check_settings(self.kind, self.name, self.settings, known - {"distance"})
        distance = (
            {"distance": getattr(foolbox.distances, self.norm)} if "distance" in known else {}
        )
        attack = make(**self.settings, **distance)
        own = NORMS.get(attack.distance.p)
        if own != self.norm:
            raise InputError(f"{self.kind}: {self.name} measures in {own}; got norm {self.norm}")
        return attack

    def run(
        self,
        attack: Any,
        network: nn.Module,
        images: Tensor,
        criterion: Criterion,
        seed: int,
        eps: float | None,
    ) -> Tensor:
        foolbox = library("foolbox", "foolbox")
        targeted = criterion.targeted
        goal = (
            foolbox.criteria.TargetedMisclassification
            if targeted
            else foolbox.criteria.Misclassification
        )
        model = foolbox.PyTorchModel(network, bounds=(0, 1), device=images.device)
        try:
            _, clipped, _ = attack(model, images, goal(criterion.classes), epsilons=eps)
        except ValueError as error:
            if str(error) != "unsupported criterion":
                raise
            raise ValueError(
                f"foolbox's {type(attack).__name__} takes no {type(criterion).__name__} criterion; "
                "choose another attack or criterion"
            ) from error
        return clipped


@dataclass(frozen=True)
class Foolbox(LibraryBudget):
    """One of foolbox's attacks with a budget (`FixedEpsilonAttack`), where foolbox is installed.

    Its result is foolbox's `clipped`, drawn into the ball by foolbox. See
    `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded.

    Attributes:
        name: name of the class in `foolbox.attacks`: LinfPGD, L2AdamPGD, ...
        norm: norm of the attack; it is checked.
        settings: settings of the attack, as `{steps: 40}`.
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        one_by_one: make each sample a batch of its own; slower, and its row does not depend on
            others.
    """

    adapter = FoolboxAdapter
    kind = "foolbox"


@dataclass(frozen=True)
class FoolboxMinimal(LibraryMinimal):
    """One of foolbox's attacks that look for the shortest way (`MinimizationAttack`).

    Foolbox must be installed.

    See `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded.

    Attributes:
        name: name of the class in `foolbox.attacks`: DDNAttack, L2FMNAttack, L2CarliniWagnerAttack,
            L2DeepFoolAttack, ...
        norm: norm of the attack; it is checked, and handed on to attacks that take any distance.
        settings: settings of the attack, as `{steps: 40}`.
        one_by_one: make each sample a batch of its own; slower, and its row does not depend on
            others.
    """

    adapter = FoolboxAdapter
    kind = "foolbox_minimal"
