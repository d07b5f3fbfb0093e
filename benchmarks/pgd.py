"""Projected gradient descent against its floor: the bare forward and backward passes that it cannot
do without.

The passes are made at images that a step has moved, as those of an attack are: at clean digits,
whose background is exactly 0, a pass is some 6 % cheaper. Needs the peers: `make bench-peers`.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from operator import truediv

import foolbox
import torch
import torchattacks
from art.attacks.evasion import ProjectedGradientDescentPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from advcore.attacks import PGD
from advcore.criteria import Untargeted
from advcore.norms import NormName
from advcore.randomness import Randomness
from advcore.training import Recipe
from benchmarks.setting import classified, machine, resnet18, trained, trained_lenet


def contestants(
    network: nn.Module, images: Tensor, labels: Tensor, norm: NormName, eps: float, steps: int
) -> dict[str, Callable[[], object]]:
    """The bare passes first, then PGD as each library has it, steps a tenth of eps long."""
    attack = PGD(eps=eps, norm=norm, steps=steps)
    moved = attack.climb(
        network, images, Untargeted(labels), Randomness(0, torch.arange(len(images)))
    ).images
    model, step = foolbox.PyTorchModel(network, (0, 1)), eps / 10
    peer = PyTorchClassifier(
        network, nn.CrossEntropyLoss(), images.shape[1:], 10, clip_values=(0, 1), device_type="cpu"
    )
    of_art = ProjectedGradientDescentPyTorch(
        peer,
        norm={"l2": 2, "linf": torch.inf}[norm],
        eps=eps,
        eps_step=step,
        max_iter=steps,
        batch_size=len(images),
        verbose=False,
    )
    if norm == "linf":
        of_torchattacks = torchattacks.PGD(network, eps=eps, alpha=step, steps=steps)
        of_foolbox = foolbox.attacks.LinfPGD(steps=steps)
    else:
        of_torchattacks = torchattacks.PGDL2(network, eps=eps, alpha=step, steps=steps)
        of_foolbox = foolbox.attacks.L2PGD(steps=steps)

    def bare() -> None:
        for _ in range(steps):
            current = moved.clone().requires_grad_()
            torch.autograd.grad(nn.functional.cross_entropy(network(current), labels), current)

    return {
        "bare passes": bare,
        "advcore": lambda: attack(network, images, Untargeted(labels)),
        "torchattacks": lambda: of_torchattacks(images, labels),
        "foolbox": lambda: of_foolbox(model, images, labels, epsilons=eps),
        "ART": lambda: of_art.generate(images.numpy(), labels.numpy()),
    }


def compare(
    name: str,
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    norm: NormName,
    eps: float,
    steps: int,
    rounds: int,
) -> None:
    """At an eps so small that no sample leaves: all in turn, each round from another one on;
    medians of the rounds' ratios.
    """
    runs = contestants(network, images, labels, norm, eps, steps)
    assert not PGD(eps=eps, norm=norm, steps=steps)(network, images, Untargeted(labels)).found.any()
    order, times = list(runs), {run: list[float]() for run in runs}
    for _ in range(rounds):
        order = order[1:] + order[:1]
        for run in order:
            start = time.perf_counter()
            runs[run]()
            times[run].append(time.perf_counter() - start)
    floor = times.pop("bare passes")
    ratios = {run: statistics.median(map(truediv, some, floor)) for run, some in times.items()}
    shares = "  ".join(f"{run} {ratio:.2f}" for run, ratio in ratios.items())
    print(f"  {name:29} {norm:4} {statistics.median(floor):6.3f} s; {shares}")


def main() -> None:
    warnings.filterwarnings("ignore")
    print(f"PGD against the bare passes that it makes ({machine()}): their time, and of that")
    lenet = trained_lenet()
    images, labels = classified(lenet, 96)
    compare("LeNet, 96 digits, 40 steps", lenet, images, labels, "linf", 0.001, 40, rounds=15)
    compare("LeNet, 96 digits, 40 steps", lenet, images, labels, "l2", 0.02, 40, rounds=10)
    resnet = trained(resnet18, "fashion-mnist", 8000, Recipe(epochs=1, learning_rate=0.1))
    images, labels = classified(resnet, 4, "fashion-mnist")
    compare("ResNet-18, 4 clothes, 40 steps", resnet, images, labels, "linf", 0.0001, 40, rounds=10)


if __name__ == "__main__":
    main()
