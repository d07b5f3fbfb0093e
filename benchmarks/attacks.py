"""Attacks beside the peers': the same model, batch and process; medians, times, and ratios of both.

Needs the peers: `make bench-peers` installs them and runs it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import adv_lib.attacks as adv_lib
import foolbox
import torch
import torchattacks
from torch import Tensor, nn

from advcore import norms
from advcore.attacks import PGD, DeepFool, MinimalNorm
from advcore.criteria import Untargeted
from benchmarks.setting import classified, machine, seconds, trained_lenet

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""From a network, images and labels to adversarial images."""


@dataclass(frozen=True)
class Row:
    """One attack on one batch: median distance (inf where nothing was found) and seconds."""

    name: str
    median: float
    found: float
    time: float


def ours(attack: Callable[..., object]) -> Attack:
    """One of advcore's attacks as a function of images and labels."""
    return lambda network, images, labels: attack(network, images, Untargeted(labels)).images  # type: ignore[attr-defined]


def foolbox_attack(attack: foolbox.attacks.base.Attack) -> Attack:
    """One of foolbox's minimal-norm attacks."""
    return lambda network, images, labels: attack(foolbox.PyTorchModel(network, (0, 1)), images, labels, epsilons=None)[1]


MINIMAL: dict[str, dict[str, Attack]] = {
    "l2": {
        "advcore DeepFool": ours(DeepFool()),
        "adv-lib DeepFool": lambda network, images, labels: adv_lib.df(network, images, labels, norm=2),
        "foolbox DeepFool": foolbox_attack(foolbox.attacks.L2DeepFoolAttack()),
        "advcore MinimalNorm": ours(MinimalNorm()),
        "adv-lib DDN(100)": lambda network, images, labels: adv_lib.ddn(network, images, labels, steps=100),
        "adv-lib SuperDeepFool": lambda network, images, labels: adv_lib.sdf(network, images, labels),
        "adv-lib FMN(100)": lambda network, images, labels: adv_lib.fmn(network, images, labels, norm=2, steps=100),
        "adv-lib FAB(100)": lambda network, images, labels: adv_lib.fab(network, images, labels, norm=2, n_iter=100),
        "foolbox C&W(9x100)": foolbox_attack(foolbox.attacks.L2CarliniWagnerAttack(steps=100)),
    },
    "linf": {
        "advcore DeepFool": ours(DeepFool(norm="linf")),
        "adv-lib DeepFool": lambda network, images, labels: adv_lib.df(network, images, labels, norm=float("inf")),
        "foolbox DeepFool": foolbox_attack(foolbox.attacks.LinfDeepFoolAttack()),
        "advcore MinimalNorm": ours(MinimalNorm(norm="linf")),
        "adv-lib FMN(100)": lambda network, images, labels: adv_lib.fmn(network, images, labels, norm=float("inf"), steps=100),
        "adv-lib FAB(100)": lambda network, images, labels: adv_lib.fab(network, images, labels, norm=float("inf"), n_iter=100),
    },
}


def measure(name: str, attack: Attack, network: nn.Module, images: Tensor, labels: Tensor, norm: str) -> Row:
    """Run once for nothing on a few images, then once on all, and look at exactly the images that come back."""
    attack(network, images[:4].clone(), labels[:4])
    start = time.perf_counter()
    result = attack(network, images.clone(), labels).detach()
    spent = time.perf_counter() - start
    with torch.no_grad():
        found = network(result).argmax(1) != labels
    distance = norms.get(norm).size(result - images).masked_fill(~found, torch.inf)
    return Row(name, distance.median().item(), found.double().mean().item(), spent)


def minimal_norms(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    for norm, attacks in MINIMAL.items():
        rows = [measure(name, attack, network, images, labels, norm) for name, attack in attacks.items()]
        tight = next(row for row in rows if row.name == "advcore MinimalNorm")
        print(f"\nminimal {norm} perturbations   median    found   seconds   of MinimalNorm: median, time")
        for row in rows:
            ratios = f"{row.median / tight.median:8.3f} {row.time / tight.time:7.2f}"
            print(f"  {row.name:24} {row.median:9.4f} {row.found:8.3f} {row.time:9.2f}   {ratios}")


def pgd_against_its_floor(network: nn.Module, images: Tensor, labels: Tensor, eps: float = 0.001, steps: int = 40) -> None:
    """At an eps so small that no sample leaves: the loop against its bare forward and backward passes."""

    def bare() -> None:
        for _ in range(steps):
            current = images.clone().requires_grad_()
            torch.autograd.grad(nn.functional.cross_entropy(network(current), labels), current)

    floor = seconds(bare)
    times = {
        "advcore PGD-40": seconds(lambda: PGD(eps=eps, steps=steps)(network, images, Untargeted(labels))),
        "torchattacks PGD-40": seconds(lambda: torchattacks.PGD(network, eps=eps, alpha=eps / 10, steps=steps)(images, labels)),
        "foolbox PGD-40": seconds(
            lambda: foolbox.attacks.LinfPGD(steps=steps)(foolbox.PyTorchModel(network, (0, 1)), images, labels, epsilons=eps)
        ),
    }
    print(f"\n40 bare forward and backward passes: {floor:.3f} s; of that")
    for name, spent in times.items():
        print(f"  {name:24} {spent / floor:6.2f}")


def main() -> None:
    network = trained_lenet()
    images, labels = classified(network, 96)
    print(f"attacks, LeNet, {len(images)} images classified right ({machine()})")
    minimal_norms(network, images, labels)
    pgd_against_its_floor(network, images, labels)


if __name__ == "__main__":
    main()
