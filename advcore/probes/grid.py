"""The grid of eps, on which accuracy under attack is measured."""

import math


def check_grid(eps: tuple[float, ...]) -> None:
    """Raise ValueError unless `eps` grows and holds finite positive radii, at least one."""
    if not eps or any(not 0 < value < math.inf for value in eps) or list(eps) != sorted(set(eps)):
        raise ValueError(f"eps must be a growing list of finite positive radii in pixel units; got {list(eps)}")
