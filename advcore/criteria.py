"""Criteria: they say which images count as adversarial."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from advcore.checks import describe_type
from advcore.seams import as_written, members


@runtime_checkable
class Criterion(Protocol):
    """A rule that says, for each sample of a batch, whether it is adversarial."""

    @property
    def classes(self) -> Tensor:
        """The classes `(B,)` int64 that are to be left, or to be reached."""

    @property
    def targeted(self) -> bool:
        """True if `classes` are to be reached; else they are to be left."""

    def holds(self, logits: Tensor) -> Tensor:
        """Return which rows of the logits `(B, K)` are adversarial, `(B,)` bool.

        A row with NaN is not.
        """

    def take(self, index: Tensor) -> "Criterion":
        """The criterion of the samples `index` `(n,)`, perhaps more than once each."""

    def to(self, device: torch.device) -> "Criterion":
        """The criterion on a device."""

    def goals(self, logits: Tensor, count: int) -> Tensor:
        """Return the `count` most likely classes that would count as adversarial, `(B, count)`.

        Fewer where there are no more; at least one.
        """

    def rival(self, logits: Tensor) -> Tensor:
        """The class that a goal has to overtake, `(B,)`."""


@dataclass(frozen=True, eq=False)
class Untargeted:
    """Adversarial is any class but `labels` `(B,)`.

    With the true labels it measures robust accuracy (article, eq. 12), with the predicted ones
    margins (eqs. 8, 13, 18).
    """

    targeted: ClassVar[bool] = False

    labels: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", as_labels(self.labels))

    @property
    def classes(self) -> Tensor:
        """The labels."""
        return self.labels

    def holds(self, logits: Tensor) -> Tensor:
        """Return which rows of the logits `(B, K)` are adversarial, `(B,)` bool.

        A row with NaN is not.
        """
        top, place = logits.max(1)  # NaN wherever the row has one
        return (place != self.labels) & (top == top)

    def take(self, index: Tensor) -> "Untargeted":
        """The criterion of the samples `index`."""
        return Untargeted(self.labels.to(index.device)[index])

    def to(self, device: torch.device) -> "Untargeted":
        """The criterion on a device."""
        return self if self.labels.device == device else Untargeted(self.labels.to(device))

    def goals(self, logits: Tensor, count: int) -> Tensor:
        """Return the `count` most likely classes that would count as adversarial.

        The shape is `(B, count)`, at most K - 1 of them.
        """
        others = logits.scatter(1, self.labels[:, None], -torch.inf)
        return others.topk(min(count, logits.shape[1] - 1), dim=1).indices

    def rival(self, logits: Tensor) -> Tensor:
        """The class that a goal has to overtake, `(B,)`: the label."""
        return self.labels


@dataclass(frozen=True, eq=False)
class Targeted:
    """Adversarial is the class `targets` `(B,)` and no other."""

    targeted: ClassVar[bool] = True

    targets: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", as_labels(self.targets))

    @property
    def classes(self) -> Tensor:
        """The targets."""
        return self.targets

    def holds(self, logits: Tensor) -> Tensor:
        """Return which rows of the logits `(B, K)` are adversarial, `(B,)` bool.

        A row with NaN is not.
        """
        top, place = logits.max(1)  # NaN wherever the row has one
        return (place == self.targets) & (top == top)

    def take(self, index: Tensor) -> "Targeted":
        """The criterion of the samples `index`."""
        return Targeted(self.targets.to(index.device)[index])

    def to(self, device: torch.device) -> "Targeted":
        """The criterion on a device."""
        return self if self.targets.device == device else Targeted(self.targets.to(device))

    def goals(self, logits: Tensor, count: int) -> Tensor:
        """The targets, `(B, 1)`."""
        return self.targets[:, None]

    def rival(self, logits: Tensor) -> Tensor:
        """The class that the target has to overtake, `(B,)`: the likeliest other one."""
        return logits.scatter(1, self.targets[:, None], -torch.inf).argmax(1)


def check_criterion(criterion: object) -> None:
    """Raise TypeError unless it is a criterion.

    Labels alone do not say whether they are to be left or to be reached.
    """
    if isinstance(criterion, Criterion):
        return
    missing = [name for name in members(Criterion) if not hasattr(criterion, name)]
    if hasattr(criterion, "holds"):
        raise TypeError(
            f"{type(criterion).__name__} is no Criterion: it lacks {', '.join(missing)}; write "
            f"{as_written(Criterion, missing)}"
        )
    raise TypeError(
        "what counts as adversarial must be Untargeted(labels) or Targeted(targets); got "
        f"{describe_type(criterion)}: for labels y write Untargeted(y)"
    )


def as_labels(labels: Any) -> Tensor:
    """Labels as an int64 tensor: of whole numbers of any type, of a NumPy array, of a list.

    Others are left for `check_labels`.

    Raises ValueError for what makes no tensor at all.
    """
    if not isinstance(labels, Tensor):
        try:
            labels = torch.as_tensor(labels)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"labels must be whole numbers (B,), a tensor, an array or a list; got {labels!r}"[
                    :300
                ]
            ) from error
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    return labels.long() if whole else labels
