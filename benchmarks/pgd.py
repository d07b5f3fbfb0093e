"""Projected gradient descent against its floor: the bare forward and backward passes that it cannot do without.

The passes are made at images that a step has moved, as those of an attack are: at clean digits, whose background is exactly 0, a
pass is some 6 % cheaper. Needs the peers: `make bench-peers`.
"""

import statistics
import time
import warnings

import foolbox
import torch
import torchattacks
from art.attacks.evasion import ProjectedGradientDescentPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import nn

from advcore.attacks import PGD
from advcore.criteria import Untargeted
from advcore.randomness import Randomness
from benchmarks.setting import classified, machine, trained_lenet

ROUNDS = 15


def main(eps: float = 0.001, steps: int = 40) -> None:
    """At an eps so small that no sample leaves; all in turn, medians of some rounds."""
    warnings.filterwarnings("ignore")
    network = trained_lenet()
    images, labels = classified(network, 96)
    moved = PGD(eps=eps, steps=1).climb(network, images, Untargeted(labels), Randomness(0, torch.arange(len(images)))).images
    peer = PyTorchClassifier(network, nn.CrossEntropyLoss(), images.shape[1:], 10, clip_values=(0, 1), device_type="cpu")
    theirs = ProjectedGradientDescentPyTorch(peer, eps=eps, eps_step=eps / 10, max_iter=steps, batch_size=96, verbose=False)

    def bare() -> None:
        for _ in range(steps):
            current = moved.clone().requires_grad_()
            torch.autograd.grad(nn.functional.cross_entropy(network(current), labels), current)

    runs = {
        "bare passes": bare,
        "advcore": lambda: PGD(eps=eps, steps=steps)(network, images, Untargeted(labels)),
        "torchattacks": lambda: torchattacks.PGD(network, eps=eps, alpha=eps / 10, steps=steps)(images, labels),
        "foolbox": lambda: foolbox.attacks.LinfPGD(steps=steps)(
            foolbox.PyTorchModel(network, (0, 1)), images, labels, epsilons=eps
        ),
        "ART": lambda: theirs.generate(images.numpy(), labels.numpy()),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    floor = statistics.median(times["bare passes"])
    print(f"PGD-{steps}, LeNet, {len(images)} digits ({machine()}): the bare passes take {floor:.3f} s; of that")
    for name in list(runs)[1:]:
        print(f"  {name:13} {statistics.median(times[name]) / floor:5.2f}")


if __name__ == "__main__":
    main()
