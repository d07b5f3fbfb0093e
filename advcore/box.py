"""Who keeps to the box [0, 1], and so cannot work on images that have left it."""

from advcore.attacks.attack import wrapped


def needs_box(holder: object) -> bool:
    """Whether a probe or an objective, by a field `box` of its own, or any of the attacks that it
    holds keeps images in [0, 1].

    Attacks stand in the fields `attack` or `attacks`, or, where it chooses them itself, in its
    property `chosen`.
    """
    return getattr(holder, "box", False) or any(map(keeps_box, _held(holder)))


def keeps_box(attack: object) -> bool:
    """Whether an attack, or any that it wraps, keeps images in [0, 1]; one that wraps none and has
    no field `box` does.
    """
    inner = _held(attack)
    return any(map(keeps_box, inner)) or getattr(attack, "box", not inner)


def _held(holder: object) -> tuple[object, ...]:
    chosen = getattr(holder, "chosen", None)
    if chosen is None:
        return wrapped(holder)
    return chosen if isinstance(chosen, tuple) else (chosen,)
