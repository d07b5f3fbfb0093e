"""Training steps against their floor: the bare forward and backward passes that they cannot do
without.

Whole epochs of `fit` on mnist5k, LeNet. The floor of adversarial training with k steps is k passes
with a gradient in the images alone and one with a gradient in the weights alone, and the
optimiser's step; of a free replay one pass with both. The passes are made at images that an attack
has moved, for at clean digits, whose background is exactly 0, a pass is some 6 % cheaper.
"""

import statistics
import time
from collections.abc import Callable
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.attacks import FGSM, PGD
from advcore.criteria import Untargeted
from advcore.randomness import Randomness
from advcore.training import TRADES, AdversarialTraining, CrossEntropy, Free, Objective, Recipe, fit
from benchmarks.setting import digits, machine, trained_lenet

EPS = 0.1
ROUNDS = 7
BATCH = 128

IMAGES, WEIGHTS, BOTH = (True, False), (False, True), (True, True)
"""In what a pass has a gradient: images, weights."""

TRAININGS: dict[str, tuple[Objective, list[tuple[bool, bool]]]] = {
    "plain": ({"cross_entropy": CrossEntropy()}, [WEIGHTS]),
    "FGSM-RS": (
        {"adversarial": AdversarialTraining(PGD(EPS, steps=1, relative_step=1.25))},
        [IMAGES, WEIGHTS],
    ),
    "PGD-7": ({"adversarial": AdversarialTraining(PGD(EPS, steps=7))}, 7 * [IMAGES] + [WEIGHTS]),
    "free, 7 replays": ({"free": Free(EPS, replays=7)}, 7 * [BOTH]),
    "TRADES-7": (
        {"cross_entropy": CrossEntropy(), "trades": TRADES(EPS, steps=7)},
        7 * [IMAGES] + 3 * [WEIGHTS],
    ),
}
"""By name: the objective, and its passes for each minibatch."""


def bare(
    network: nn.Module, images: Tensor, labels: Tensor, passes: list[tuple[bool, bool]]
) -> None:
    """The passes of an epoch, and a step of the optimiser for each that has a gradient in the
    weights.
    """
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    for some, classes in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        for in_images, in_weights in passes:
            network.requires_grad_(in_weights)
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(network(some.clone().requires_grad_(in_images)), classes).backward()
            if in_weights:
                optimiser.step()


def main(samples: int = 1024) -> None:
    """All in turn, medians of some rounds."""
    trained = trained_lenet().requires_grad_(True)
    images, labels = digits("train", samples)
    source = Randomness(0, torch.arange(samples))
    moved = FGSM(EPS).climb(trained, images, Untargeted(labels), source).images
    runs: dict[tuple[str, str], Callable[[], object]] = {}
    for name, (objective, passes) in TRAININGS.items():
        recipe = Recipe(
            dict(objective), epochs=1, batch_size=BATCH, learning_rate=1e-4, gradient_clip=None
        )
        runs[name, "fit"] = lambda recipe=recipe: list(
            fit(deepcopy(trained), images, labels, recipe)
        )
        runs[name, "bare"] = lambda passes=passes: bare(deepcopy(trained), moved, labels, passes)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(ROUNDS + 1):
        for key, run in runs.items():
            start = time.perf_counter()
            run()
            times[key].append(time.perf_counter() - start)
    medians = {
        key: statistics.median(some[1:]) for key, some in times.items()
    }  # the first round does not count
    print(
        f"training, LeNet, batches of {BATCH} digits ({machine()}): ms a minibatch, over its "
        "bare passes, over plain training"
    )
    for name in TRAININGS:
        own = medians[name, "fit"]
        a_batch = 1e3 * own / (samples / BATCH)
        print(
            f"  {name:16} {a_batch:7.1f} {own / medians[name, 'bare']:6.2f} "
            f"{own / medians['plain', 'fit']:6.2f}"
        )


if __name__ == "__main__":
    main()
