"""adv-lib's attacks (Rony and Ben Ayed 2020) as ours."""

import inspect
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from advcore.criteria import Criterion
from advcore.workers.adapters.catalogue import check_settings, choose, library, parameters
from advcore.workers.adapters.library_attack import Adapter, LibraryBudget, LibraryMinimal
from advcore.workers.errors import InputError

RADII = {"pgd_linf": "ε", "apgd": "eps", "apgd_targeted": "eps"}
"""The attacks with a budget, and what they call its radius."""

UNTARGETED = ("apgd_targeted", "df", "fab", "sdf", "sigma_zero", "tr")
"""The attacks that take no target: most of them would hand back the clean images."""

ORDERS = {"l0": 0, "l1": 1, "l2": 2, "linf": math.inf}
"""Norms as adv-lib writes them, in its parameters `norm` and `p`."""


@dataclass(frozen=True)
class AdvLibAdapter(Adapter):
    """One attack of adv-lib, a function in `adv_lib.attacks`."""

    def make(self) -> Any:
        functions = {
            key: value
            for key, value in vars(library("adv_lib.attacks", "adv-lib")).items()
            if inspect.isfunction(value)
        }
        attacks = {
            key: value
            for key, value in functions.items()
            if parameters(value) >= {"model", "inputs", "labels", "targeted"}
        }
        budgets = {key: attacks[key] for key in RADII}
        minimals = {key: value for key, value in attacks.items() if key not in RADII}
        attack = choose(self.kind, self.name, {"adv_lib": budgets, "adv_lib_minimal": minimals})
        known = parameters(attack)
        taken = {"norm": ORDERS.get(self.norm), "p": ORDERS.get(self.norm), "distance": self.norm}
        given = {key: value for key, value in taken.items() if key in known}
        check_settings(
            self.kind,
            self.name,
            self.settings,
            known - {"model", "inputs", "labels", "targeted", RADII.get(self.name)} - set(given),
        )
        if None in given.values():
            raise InputError(
                f"{self.kind}: {self.name} knows the norms {', '.join(ORDERS)} at most; got norm "
                f"{self.norm}"
            )
        return partial(attack, **self.settings, **given)

    def run(
        self,
        attack: Any,
        network: nn.Module,
        images: Tensor,
        criterion: Criterion,
        seed: int,
        eps: float | None,
    ) -> Tensor:
        targeted, name = criterion.targeted, attack.func.__name__
        if targeted and name in UNTARGETED:
            raise ValueError(
                f"adv-lib's {name} takes no Targeted criterion; give Untargeted(labels)"
            )
        radius = {} if eps is None else {RADII[name]: eps}
        return attack(
            model=network, inputs=images, labels=criterion.classes, targeted=targeted, **radius
        )


@dataclass(frozen=True)
class AdvLib(LibraryBudget):
    """One of adv-lib's attacks with a budget, where adv-lib is installed.

    See `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded.

    Attributes:
        name: name of the function in `adv_lib.attacks`: pgd_linf, apgd, apgd_targeted.
        norm: norm in which the result is measured and the ball is judged; handed on to attacks that
            take one.
        settings: settings of the attack, as `{steps: 40}`.
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        one_by_one: make each sample a batch of its own; slower, and its row does not depend on
            others.
    """

    adapter = AdvLibAdapter
    kind = "adv_lib"


@dataclass(frozen=True)
class AdvLibMinimal(LibraryMinimal):
    """One of adv-lib's attacks that look for the shortest way, where adv-lib is installed.

    See `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded.

    Attributes:
        name: name of the function in `adv_lib.attacks`: ddn, fmn, fab, df, sdf, carlini_wagner_l2,
            sigma_zero, ...
        norm: norm in which the result is measured; handed on to attacks that take one.
        settings: settings of the attack, as `{steps: 40}`; ddn rounds to 256 levels unless
            `{levels: null}`.
        one_by_one: make each sample a batch of its own; slower, and its row does not depend on
            others.
    """

    adapter = AdvLibAdapter
    kind = "adv_lib_minimal"
