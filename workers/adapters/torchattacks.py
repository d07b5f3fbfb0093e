"""torchattacks' attacks (Kim 2020) as ours."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from advcore.criteria import Criterion
from advcore.workers.adapters.catalogue import check_settings, choose, library, parameters
from advcore.workers.adapters.library_attack import Adapter, LibraryBudget, LibraryMinimal
from advcore.workers.errors import InputError

RADII = ("eps", "max_epsilon")
"""Names that torchattacks gives to the radius of a budget attack."""

UNTARGETED = ("FAB",)
"""The attacks that say that they take targets, and then attack only what is the target already."""


@dataclass(frozen=True)
class TorchattacksAdapter(Adapter):
    """One attack of torchattacks, a class that is given model, seed and eps when it runs."""

    def make(self) -> Any:
        torchattacks = library("torchattacks", "torchattacks")
        classes = {
            key: getattr(torchattacks, key)
            for key in set(torchattacks.__all__) - set(torchattacks.__wrapper__)
        }
        budgets = {key: value for key, value in classes.items() if parameters(value) & set(RADII)}
        minimals = {key: value for key, value in classes.items() if key not in budgets}
        make = choose(
            self.kind, self.name, {"torchattacks": budgets, "torchattacks_minimal": minimals}
        )
        known = parameters(make)
        check_settings(self.kind, self.name, self.settings, known - {"model", "norm", *RADII})
        if "norm" not in known:
            return partial(make, **self.settings)
        if self.norm not in ("l1", "l2", "linf"):
            raise InputError(
                f"{self.kind}: {self.name} knows the norms l1, l2, linf at most; got norm "
                f"{self.norm}"
            )
        return partial(make, **self.settings, norm=self.norm.capitalize())

    def run(
        self,
        attack: Any,
        network: nn.Module,
        images: Tensor,
        criterion: Criterion,
        seed: int,
        eps: float | None,
    ) -> Tensor:
        known = parameters(attack.func)
        own: dict[str, object] = {key: eps for key in RADII if key in known}
        if "seed" in known and "seed" not in attack.keywords:
            own["seed"] = seed
        made = attack(network, **own)
        if criterion.targeted:
            if "targeted" not in made.supported_mode or type(made).__name__ in UNTARGETED:
                raise ValueError(
                    f"torchattacks' {type(made).__name__} takes no Targeted criterion; give "
                    "Untargeted(labels)"
                )
            made.set_mode_targeted_by_label(quiet=True)
        return made(images, criterion.classes)


@dataclass(frozen=True)
class Torchattacks(LibraryBudget):
    """One of torchattacks' attacks with a budget, those that take an `eps`.

    Torchattacks must be installed.

    See `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded. Attacks
    that have a setting `seed` are given ours, for their own default would be the same noise in each
    shard.

    Attributes:
        name: name of the class: PGD, APGD, Square, ...
        norm: norm in which the result is measured and the ball is judged; handed on to attacks that
            take one.
        settings: settings of the attack, as `{steps: 40, alpha: 0.01}`; the default steps of some
            cannot reach eps.
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        one_by_one: make each sample a batch of its own; slower, and its row does not depend on
            others.
    """

    adapter = TorchattacksAdapter
    kind = "torchattacks"


@dataclass(frozen=True)
class TorchattacksMinimal(LibraryMinimal):
    """One of torchattacks' attacks that take no `eps`, where torchattacks is installed.

    See `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded.

    Attributes:
        name: name of the class: DeepFool, CW, SparseFool, EADL1, ...
        norm: norm in which the result is measured; what the attack shortens is the attack's own.
        settings: settings of the attack, as `{steps: 100}`.
        one_by_one: make each sample a batch of its own; slower, and its row does not depend on
            others.
    """

    adapter = TorchattacksAdapter
    kind = "torchattacks_minimal"
