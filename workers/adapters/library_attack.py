"""The dataclasses of other libraries' attacks.

The settings of one in a study, with a budget or without, and what the adapter of a library does.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from advcore.attacks import Adversarial
from advcore.attacks.budget import check_eps
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Radius
from advcore.randomness import Randomness
from advcore.workers.adapters.catalogue import Settings
from advcore.workers.adapters.peer import SizeName, attack_by


@dataclass(frozen=True)
class Adapter(ABC):
    """One attack of a library, by its name there: the part that differs from library to library.

    Attributes:
        kind: the name of the adapter in a study, which stands in its messages.
        name: the attack's name in the library.
        norm: in which the result is measured.
        settings: the attack's own.
    """

    kind: str
    name: str
    norm: SizeName
    settings: Settings

    @abstractmethod
    def make(self) -> Any:
        """Return the library's attack with its settings and norm, still without model and eps.

        Raises InputError where the library is missing, or has no such attack of this kind, or the
        attack does not take these settings or this norm.
        """

    @abstractmethod
    def run(
        self,
        attack: Any,
        network: nn.Module,
        images: Tensor,
        criterion: Criterion,
        seed: int,
        eps: float | None,
    ) -> Tensor:
        """Return what the library makes of images `(B, C, H, W)`, by an attack from `make`.

        `eps` in pixel units is None for an attack that takes none. Raises ValueError for a
        criterion that the attack does not take.
        """


@dataclass(frozen=True)
class LibraryBudget(ABC):
    """An attack of another library with a budget; a subclass names the adapter and the kind."""

    adapter: ClassVar[type[Adapter]]
    kind: ClassVar[str]

    name: str
    norm: SizeName
    settings: Settings = field(default_factory=dict, hash=False)
    eps: Radius | None = None
    one_by_one: bool = False

    def __post_init__(self) -> None:
        check_eps(self.eps)
        self.adapter(self.kind, self.name, self.norm, self.settings).make()

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        check_eps(self.eps, wanted=True)
        adapter = self.adapter(self.kind, self.name, self.norm, self.settings)
        peer = partial(adapter.run, adapter.make())
        return attack_by(
            peer, self.norm, self.eps, self.one_by_one, classifier, images, criterion, randomness
        )


@dataclass(frozen=True)
class LibraryMinimal(ABC):
    """An attack of another library that looks for the shortest way.

    A subclass names the adapter and the kind.

    It has no field `eps`: that is how an attack without a budget is told.
    """

    adapter: ClassVar[type[Adapter]]
    kind: ClassVar[str]

    name: str
    norm: SizeName
    settings: Settings = field(default_factory=dict, hash=False)
    one_by_one: bool = False

    def __post_init__(self) -> None:
        self.adapter(self.kind, self.name, self.norm, self.settings).make()

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        adapter = self.adapter(self.kind, self.name, self.norm, self.settings)
        peer = partial(adapter.run, adapter.make())
        return attack_by(
            peer, self.norm, None, self.one_by_one, classifier, images, criterion, randomness
        )
