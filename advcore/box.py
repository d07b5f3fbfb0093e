"""Who keeps to the box [0, 1], and so cannot work on images that have left it."""


def needs_box(holder: object) -> bool:
    """Whether any attack that a probe, an objective or a wrapping attack holds, at any depth, keeps images in [0, 1].

    Attacks stand in the fields `attack` or `attacks`. One without a field `box` has no choice and keeps to it.
    """
    return any(needs_box(attack) if _held(attack) else getattr(attack, "box", True) for attack in _held(holder))


def _held(holder: object) -> tuple[object, ...]:
    attack = getattr(holder, "attack", None)
    return (*getattr(holder, "attacks", ()), *(() if attack is None else (attack,)))
