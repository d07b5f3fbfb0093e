"""Projected gradient descent against its floor: the bare forward and backward passes that it cannot do without.

Needs the peers: `make bench-peers`.
"""

import foolbox
import torch
import torchattacks
from torch import nn

from advcore.attacks import PGD
from advcore.criteria import Untargeted
from benchmarks.setting import classified, machine, seconds, trained_lenet


def main(eps: float = 0.001, steps: int = 40) -> None:
    """At an eps so small that no sample leaves."""
    network = trained_lenet()
    images, labels = classified(network, 96)

    def bare() -> None:
        for _ in range(steps):
            current = images.clone().requires_grad_()
            torch.autograd.grad(nn.functional.cross_entropy(network(current), labels), current)

    runs = {
        "advcore": lambda: PGD(eps=eps, steps=steps)(network, images, Untargeted(labels)),
        "torchattacks": lambda: torchattacks.PGD(network, eps=eps, alpha=eps / 10, steps=steps)(images, labels),
        "foolbox": lambda: foolbox.attacks.LinfPGD(steps=steps)(
            foolbox.PyTorchModel(network, (0, 1)), images, labels, epsilons=eps
        ),
    }
    floor = seconds(bare)
    print(
        f"PGD-{steps}, LeNet, {len(images)} digits ({machine()}): {steps} bare forward and backward passes {floor:.3f} s; of that"
    )
    for name, run in runs.items():
        print(f"  {name:13} {seconds(run) / floor:5.2f}")


if __name__ == "__main__":
    main()
