"""The peers' attacks and ours under one signature, and one clock for all."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import adv_lib.attacks as adv_lib
import foolbox
import torch
from torch import Tensor, nn

from advcore.attacks import Attack, l0
from advcore.criteria import Untargeted

Run = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""From a network, images and labels to adversarial images."""


def ours(attack: Attack) -> Run:
    """One of advcore's attacks."""
    return lambda network, images, labels: attack(network, images, Untargeted(labels)).images


def of_foolbox(attack: foolbox.attacks.base.Attack, eps: float | None = None) -> Run:
    """One of foolbox's attacks; without `eps`, a minimal-norm one."""
    return lambda network, images, labels: attack(
        foolbox.PyTorchModel(network, (0, 1)), images, labels, epsilons=eps
    )[1]


def of_adv_lib(name: str, **settings: object) -> Run:
    """One of adv-lib's attacks."""
    return lambda network, images, labels: getattr(adv_lib, name)(
        network, images, labels, **settings
    )


ENOUGH = 4.0
"""Seconds after which nothing is repeated."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Distances `(B,)`, inf where nothing was found, and seconds."""

    distances: Tensor
    seconds: float

    @property
    def found(self) -> float:
        return torch.isfinite(self.distances).double().mean().item()

    @property
    def median(self) -> float:
        return self.distances.median().item()


def outcome(
    run: Run,
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    norm: str,
    repeats: int = 1,
    box: bool = True,
) -> Outcome:
    """The best time of some repeats, after one on a few images that does not count; the images are
    measured as they come back, and with `box` those outside [0, 1] are not found.
    """
    run(network, images[:4].clone(), labels[:4])
    times: list[float] = []
    while len(times) < repeats and sum(times) < ENOUGH:
        start = time.perf_counter()
        result = run(network, images.clone(), labels).detach()
        times.append(time.perf_counter() - start)
    with torch.no_grad():
        found = network(result).argmax(1) != labels
    if box:
        found &= (result >= 0).flatten(1).all(1) & (result <= 1).flatten(1).all(1)
    return Outcome(
        l0.size_by_name(norm).size(result - images).masked_fill(~found, torch.inf), min(times)
    )
