"""The seam of the attacks: what an attack must have, and what it may have.

And a record that says, per sample, how it ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import IntEnum
from typing import Protocol, TypeGuard, runtime_checkable

from torch import Tensor

from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Radius
from advcore.randomness import Randomness
from advcore.threats.region import ThreatModel


class Status(IntEnum):
    """The ways in which an attack on one sample can end."""

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
    - `trace` `(B, T, 2)`, of attacks of decisions, else None: numbers of queries, at most 32 and
      log-spaced, and the shortest distance after as many (inf where none, 0 if already wrong).
      Wrappers that change the images or join several results have none.

    Unpacks as `raw, clipped, success` for those who come from foolbox.
    """

    images: Tensor
    found: Tensor
    distance: Tensor
    status: Tensor
    queries: Tensor
    gradients: Tensor
    trace: Tensor | None = None

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.images, self.images.clamp(0, 1), self.found))


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The result of a search: `images` `(B, *shape)`, and its cost for each sample.

    `queries`, `gradients` `(B,)` int64: see `Adversarial`.
    `logits` `(B, K)`: of a forward pass of exactly these images, where the search ends with one of
    every sample; None asks for it. `claimed` `(B,)` bool: which of them to verify, where the search
    saw that the criterion does not hold for the others; None asks for all. `sizes` `(B,)`: how far
    the images lie, in a threat model's own unit; None asks for the norm of what was changed.
    `trace` `(B, T, 2)`: see `Adversarial`.
    """

    images: Tensor
    queries: Tensor
    gradients: Tensor
    logits: Tensor | None = None
    claimed: Tensor | None = None
    trace: Tensor | None = None
    sizes: Tensor | None = None


class Attack(Protocol):
    """A frozen dataclass of hyper-parameters; calling it attacks a batch.

    Model, mode, parameter gradients, inputs and the global random state are left as they were. What
    an attack may have besides stands in `BudgetAttack`, `WrapperAttack`, `Climber`, `Named`, and
    `advcore.box.Boxed`.
    """

    @property
    def norm(self) -> str:
        """The name of the norm of its perturbations: l0, l1, l2, linf, pixels.

        Where a threat model takes the norm's place, see `norm_of`.
        """

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        """Attack images `(B, C, H, W)` in [0, 1].

        `randomness` keys the noise; None means seed 0 and the place in the batch.
        """


class BudgetAttack(Attack, Protocol):
    """An attack that searches inside a ball."""

    @property
    def eps(self) -> float | Tensor | None:
        """The ball's radius in units of the norm, one for all samples or `(B,)`.

        None if it is given later, as by a study's grid. It is a field, or in a wrapper the radius
        of what it wraps.
        """


@runtime_checkable
class WrapperAttack(Attack, Protocol):
    """An attack that runs others.

    It looks for the shortest way where they do, and has their `eps` where they have a budget; or it
    has a field `eps` of its own, and asks them another question, as `Within` does.
    """

    @property
    def wrapped(self) -> tuple[Attack, ...]:
        """The attacks that it runs, in their order."""

    def with_wrapped(self, attacks: tuple[Attack, ...]) -> Attack:
        """The same wrapper of as many other attacks."""


@runtime_checkable
class Climber(Attack, Protocol):
    """An attack that can leave out all checks, as adversarial training wants it."""

    def climb(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        """Make all steps for all samples, already adversarial or not.

        It is called under `advcore.classifier.frozen`. Only `images` `(B, C, H, W)` of its result
        is used.
        """


@runtime_checkable
class OverThreat(Attack, Protocol):
    """An attack that may search in a threat model other than the ball of its norm."""

    @property
    def threat(self) -> ThreatModel | None:
        """The threat model; None for the ball of the norm."""


@runtime_checkable
class LimitedQueries(Attack, Protocol):
    """An attack that keeps to a number of queries, as those of decisions do."""

    @property
    def queries(self) -> int:
        """The hard limit of the images sent forward for a sample."""


@runtime_checkable
class Named(Attack, Protocol):
    """An attack whose class stands for several: another library's, say."""

    @property
    def name(self) -> str:
        """The name of that attack, for tables and legends."""


def has_budget(attack: Attack) -> TypeGuard[BudgetAttack]:
    """Return whether the attack searches inside a ball whose radius is its `eps`.

    Otherwise it looks for the shortest way. An `eps` of None, which is given later, is one too.

    A wrapper's property `eps` is that of the attacks that it wraps, and raises AttributeError where
    they have none. So the value is asked, not the class: `isinstance` with a Protocol would take
    every such wrapper for a budget attack, for since Python 3.12 it looks at the class alone.
    """
    return hasattr(attack, "eps")


def with_budget(attack: Attack, eps: Radius) -> Attack:
    """Return a budget attack with another radius, in pixel units.

    The radius is one for all samples or `(B,)`; then the attack stands for its batch alone. A
    wrapper hands it on to all that it wraps.
    """
    if not has_budget(attack):
        raise ValueError(f"{type(attack).__name__} looks for the shortest way and takes no eps")
    parts = alike(attack)
    if isinstance(attack, WrapperAttack) and parts:
        return attack.with_wrapped(tuple(with_budget(part, eps) for part in parts))
    if eps_is_set(type(attack)):
        return replace(attack, eps=eps)  # type: ignore[type-var]
    raise TypeError(
        f"{type(attack).__name__} has an eps that is no field, so no other radius can be given to "
        "it: make eps a field, or define wrapped and with_wrapped, the attacks that it runs"
    )


def eps_is_set(cls: type) -> bool:
    """Return whether the radius of a class of attacks is a setting of its own: a field."""
    return is_dataclass(cls) and "eps" in (field.name for field in fields(cls))


def alike(attack: Attack) -> tuple[Attack, ...]:
    """Return the attacks that a wrapper wraps and that answer the question it is asked.

    The question is with a budget, or the shortest way. None if it asks them another one, and none
    of another attack.
    """
    return tuple(part for part in wrapped(attack) if has_budget(part) == has_budget(attack))


def wrapped(attack: Attack) -> tuple[Attack, ...]:
    """The attacks that a wrapper wraps; none of another attack."""
    return attack.wrapped if isinstance(attack, WrapperAttack) else ()


def norm_of(attack: Attack) -> str:
    """Return the name of the norm in which an attack measures, or of its threat model.

    Raises ValueError for what has none, which is no attack.
    """
    if isinstance(attack, OverThreat) and attack.threat is not None:
        return attack.threat.name
    try:
        return attack.norm
    except AttributeError as error:
        raise ValueError(
            f"{type(attack).__name__} is no Attack: it lacks norm; write norm: str = 'l2'"
        ) from error
