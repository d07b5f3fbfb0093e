"""torchattacks' attacks (Kim 2020) as ours."""

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

RADII = ("eps", "max_epsilon")
"""What torchattacks calls the radius of a budget attack."""

UNTARGETED = ("FAB",)
"""The attacks that say that they take targets, and then attack only what is the target already."""


@dataclass(frozen=True)
class Torchattacks:
    """One of torchattacks' attacks with a budget, those that take an `eps`, where torchattacks is
    installed.

    See `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded. Attacks
    that have a setting `seed` are given ours, for their own default would be the same noise in each
    shard.

    Attributes:
        name: of the class: PGD, APGD, Square, ...
        norm: in which the result is measured and the ball is judged; handed on to attacks that take
            one.
        settings: its own, as `{steps: 40, alpha: 0.01}`; mind that the default steps of some cannot
            reach eps.
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
        _make("torchattacks", self.name, self.norm, self.settings)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        check_eps(self.eps, wanted=True)
        peer = partial(_run, _make("torchattacks", self.name, self.norm, self.settings))
        return attack_by(
            peer, self.norm, self.eps, self.one_by_one, classifier, images, criterion, randomness
        )


@dataclass(frozen=True)
class TorchattacksMinimal:
    """One of torchattacks' attacks that take no `eps`, where torchattacks is installed.

    See `advcore.workers.adapters.peer.attack_by` for what is verified, counted and seeded.

    Attributes:
        name: of the class: DeepFool, CW, SparseFool, EADL1, ...
        norm: in which the result is measured; what the attack shortens is the attack's own.
        settings: its own, as `{steps: 100}`.
        one_by_one: each sample is a batch of its own; slower, and its row does not depend on
            others.
    """

    name: str
    norm: SizeName
    settings: Settings = field(default_factory=dict, hash=False)
    one_by_one: bool = False

    def __post_init__(self) -> None:
        _make("torchattacks_minimal", self.name, self.norm, self.settings)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        peer = partial(_run, _make("torchattacks_minimal", self.name, self.norm, self.settings))
        return attack_by(
            peer, self.norm, None, self.one_by_one, classifier, images, criterion, randomness
        )


def _make(kind: str, name: str, norm: SizeName, settings: Settings) -> Any:
    """The class with its settings and norm, still without model, seed and eps.

    Raises InputError where that cannot be.
    """
    torchattacks = library("torchattacks", "torchattacks")
    classes = {
        key: getattr(torchattacks, key)
        for key in set(torchattacks.__all__) - set(torchattacks.__wrapper__)
    }
    budgets = {key: value for key, value in classes.items() if parameters(value) & set(RADII)}
    minimals = {key: value for key, value in classes.items() if key not in budgets}
    make = choose(kind, name, {"torchattacks": budgets, "torchattacks_minimal": minimals})
    known = parameters(make)
    check_settings(kind, name, settings, known - {"model", "norm", *RADII})
    if "norm" not in known:
        return partial(make, **settings)
    if norm not in ("l1", "l2", "linf"):
        raise InputError(f"{kind}: {name} knows the norms l1, l2, linf at most; got norm {norm}")
    return partial(make, **settings, norm=norm.capitalize())


def _run(
    make: Any,
    network: nn.Module,
    images: Tensor,
    criterion: Criterion,
    seed: int,
    eps: float | None,
) -> Tensor:
    known = parameters(make.func)
    own: dict[str, object] = {key: eps for key in RADII if key in known}
    if "seed" in known and "seed" not in make.keywords:
        own["seed"] = seed
    attack = make(network, **own)
    if isinstance(criterion, Targeted):
        if "targeted" not in attack.supported_mode or type(attack).__name__ in UNTARGETED:
            raise ValueError(
                f"torchattacks' {type(attack).__name__} takes no Targeted criterion; give "
                "Untargeted(labels)"
            )
        attack.set_mode_targeted_by_label(quiet=True)
    return attack(images, classes_of(criterion))
