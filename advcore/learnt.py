"""A reference to what a fit learnt, as a setting of a probe, a subspace or a data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Declared:
    """The shapes and the norm of a fit before it is learnt.

    Attributes:
        shapes: shapes of its tensors by name.
        norm: norm in which it learns, None where it has none.
    """

    shapes: Mapping[str, tuple[int, ...]]
    norm: str | None = None


@dataclass(frozen=True)
class Learnt:
    """A reference to a fit: written as its name, with its tensors once it is used.

    Attributes:
        name: name of the fit.
        key: hash of all that decides what it learnt.
        tensors: its tensors by name, there once it is used.
        declared: what the fit says of them before, once a study is compiled.
    """

    name: str
    key: str = ""
    tensors: Mapping[str, Tensor] | None = field(default=None, compare=False, repr=False)
    declared: Declared | None = field(default=None, compare=False, repr=False)

    @property
    def family(self) -> str:
        """The name without the coordinates of one fit among its family, for figures."""
        return self.name.partition(" ")[0]

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor by name. Raises ValueError where the fit has none of this name."""
        if self.tensors is None or name not in self.tensors:
            known = ", ".join(self.tensors or ()) or "nothing yet"
            raise ValueError(f"the fit {self.name} has no {name!r}; it has {known}")
        return self.tensors[name]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]] | None:
        """The shapes of its tensors by name, as they are or as declared; None before."""
        if self.tensors is not None:
            return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}
        return None if self.declared is None else self.declared.shapes

    def shape_of(self, *names: str) -> tuple[int, ...] | None:
        """Return the shape of the first of some tensors that it has; None before it is known.

        Raises ValueError where it has none of them.
        """
        shapes = self.shapes
        if shapes is None:
            return None
        for name in names:
            if name in shapes:
                return shapes[name]
        wanted = " and no ".join(map(repr, names))
        raise ValueError(f"the fit {self.name} has no {wanted}; it has {', '.join(shapes)}")


def with_learnt(settings: Any, change: Callable[[Learnt], Learnt]) -> Any:
    """Return settings with every reference to a fit changed, see `with_each`."""
    return with_each(Learnt, settings, change)


def with_each(kind: type[T], settings: Any, change: Callable[[T], T]) -> Any:
    """Return settings with every value of a kind changed.

    They stand at any depth in dataclasses, lists, tuples and mappings; settings without any come
    back as they are.
    """
    if isinstance(settings, kind):
        return change(settings)
    if is_dataclass(settings) and not isinstance(settings, type):
        held = {own.name: getattr(settings, own.name) for own in fields(settings) if own.init}
        changed = {name: with_each(kind, value, change) for name, value in held.items()}
        new = {name: value for name, value in changed.items() if value is not held[name]}
        return replace(settings, **new) if new else settings
    if isinstance(settings, Mapping):
        values = {name: with_each(kind, value, change) for name, value in settings.items()}
        same = all(values[name] is value for name, value in settings.items())
        return settings if same else values
    if isinstance(settings, list | tuple) and not hasattr(settings, "_fields"):
        parts = [with_each(kind, value, change) for value in settings]
        same = all(new is old for new, old in zip(parts, settings, strict=True))
        return settings if same else type(settings)(parts)
    return settings


def learnt_in(settings: Any) -> list[Learnt]:
    """Return the references to fits in settings, in their order."""
    found: list[Learnt] = []

    def note(one: Learnt) -> Learnt:
        found.append(one)
        return one

    with_learnt(settings, note)
    return found
