"""Several attacks side by side: which may be, their names, and units, for tables and legends."""

from collections.abc import Sequence
from dataclasses import fields

from advcore.attacks import Attack, has_budget, kind_and_norm
from advcore.attacks.budget import check_eps
from advcore.norms import NORMS


def check_attacks(
    probe: str,
    attacks: Sequence[Attack],
    wanted: str = "minimal-norm attacks",
    such_as: str = "minimal_norm",
) -> None:
    """Raise ValueError unless there is an attack or more, each once, and none has a budget."""
    if not attacks or len(set(attacks)) < len(attacks):
        raise ValueError(f"attacks must be one or more {wanted}, each once")
    for attack in attacks:
        if has_budget(attack):
            raise ValueError(
                f"{probe} needs {wanted}, such as {such_as}; got {kind_and_norm(attack)}, which "
                "has a budget eps"
            )


def check_ways(attack: Attack | None, margin: Attack | None) -> None:
    """Raise ValueError unless `attack` has a budget and its eps, and `margin` has no budget."""
    if attack is not None:
        if not has_budget(attack):
            raise ValueError(
                "attack must have a budget, as pgd has; a minimal-norm attack goes to margin; got "
                f"{kind_and_norm(attack)}"
            )
        check_eps(attack.eps, wanted=True)
    if margin is not None and has_budget(margin):
        raise ValueError(
            "margin must be a minimal-norm attack, as deepfool is; one with a budget goes to "
            f"attack; got {kind_and_norm(margin)}"
        )


def told_apart(attacks: Sequence[Attack]) -> list[str]:
    """Return a name for each attack; those of equal kind and norm bear settings that differ.

    Settings at their defaults are left out: `geoda-l2`, `geoda-l2 band=14`.
    """
    names = [kind_and_norm(attack) for attack in attacks]
    result = []
    for attack, name in zip(attacks, names, strict=True):
        alike = [vars(other) for other, own in zip(attacks, names, strict=True) if own == name]
        plain = {field.name: field.default for field in fields(attack)}  # type: ignore[arg-type]
        own = [
            f"{key}={value}"
            for key, value in vars(attack).items()
            if value != plain.get(key) and any(other.get(key) != value for other in alike)
        ]
        result.append(" ".join([name, *own]))
    return result


def unit_of(norm: str) -> str:
    """Return the unit of distances in a norm, or in what takes its place, for captions."""
    return "pixels in [0, 1]" if norm in NORMS else "in its own unit"


def units_of(norms: Sequence[str]) -> str:
    """Return the units of distances in several norms, for captions: those of each unit together."""
    alike: dict[str, list[str]] = {}
    for norm in dict.fromkeys(norms):
        alike.setdefault(unit_of(norm), []).append(norm)
    return "; ".join(f"{', '.join(own)} {unit}" for unit, own in alike.items())
