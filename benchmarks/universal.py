"""Universal perturbations of a LeNet on 1,000 digits beside the published mini-batch method's:
seconds on one thread, and the share of unseen digits that each fools, at the same norm and radius.

    python -m benchmarks.universal [DATA]
"""

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from advcore.classifier import predict
from advcore.fits import FitSamples, Medians, Sequential, Universal, fit_here
from advcore.norms import norm_by_name
from advcore.probes import Batch
from benchmarks.setting import machine, pictures, trained_lenet

SAMPLES, SHARD, SEEDS = 1000, 100, 3
RADII = {
    "mnist5k": (("l2", 2.0), ("l2", 3.0), ("linf", 0.1), ("linf", 0.2), ("linf", 0.3)),
    "fashion-mnist": (
        *(("l2", 1.0), ("l2", 2.0), ("l2", 3.0)),
        *(("linf", 0.05), ("linf", 0.1), ("linf", 0.2)),
    ),
}
Pictures = tuple[Tensor, Tensor]


def learnt(
    network: nn.Module, some: Pictures, fit: Universal | Sequential, seed: int, shard: int
) -> Tensor:
    """The vector that a fit learns in this process."""
    images, labels = some
    batches = [
        Batch(images[k : k + shard], labels[k : k + shard], torch.arange(k, k + shard), k)
        for k in range(0, SAMPLES, shard)
    ]
    state = fit_here(fit, network, batches, FitSamples((1, 28, 28), 10, SAMPLES, seed))
    return state.tensors["vector"]


def mini_batches(
    network: nn.Module,
    some: Pictures,
    norm: str,
    radius: float,
    seed: int,
    epochs: int = 10,
    bound: float = 10.0,
) -> Tensor:
    """The mini-batch method as its authors' code runs it (after Shafahi et al. 2020), in our words.

    The loss is of the true labels, below a bound; a step is .8 of the radius along the steepest
    direction, which is the sign in linf, and stays so long.
    """
    images, labels = some
    ball = norm_by_name(norm)
    vector = torch.zeros(1, 1, 28, 28)
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(SAMPLES, generator=order).split(SHARD):
            moving = vector.clone().requires_grad_()
            logits = network((images[rows] + moving).clamp(0, 1))
            loss = cross_entropy(logits, labels[rows], reduction="none").clamp(max=bound).mean()
            (slope,) = torch.autograd.grad(loss, moving)
            vector = ball.project(vector + 0.8 * radius * ball.steepest(slope), radius)
    return vector[0]


def fooling(network: nn.Module, images: Tensor, vector: Tensor) -> float:
    """The share of unseen images whose predicted class the vector changes, in the box."""
    moved = (images + vector).clamp(0, 1)
    return (predict(network, moved) != predict(network, images)).double().mean().item()


def row(name: str, network: nn.Module, unseen: Tensor, learn: Callable[[int], Tensor]) -> None:
    """One line: seconds of the clock and of the processor, fooling, mean and range over seeds."""
    took, rates = [], []
    for seed in range(SEEDS):
        start = time.perf_counter(), time.process_time()
        vector = learn(seed)
        took.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        rates.append(fooling(network, unseen, vector))
    print(
        f"  {name:34} {min(took)[0]:7.2f} s ({min(took)[1]:.2f} of CPU)   "
        f"fools {sum(rates) / SEEDS:.3f} ({min(rates):.3f} to {max(rates):.3f})",
        flush=True,
    )


def main(data: str = "mnist5k") -> None:
    torch.set_num_threads(1)
    network, some = trained_lenet(5, data), pictures(data, "train", SAMPLES)
    unseen, _ = pictures(data, "test", 1000)
    print(f"LeNet, {SAMPLES} of {data}, {SEEDS} seeds; quickest seed ({machine()})")

    def own(fit: Universal | Sequential, shard: int = SHARD) -> Callable[[int], Tensor]:
        return lambda seed: learnt(network, some, fit, seed, shard)

    def published(norm: str, radius: float) -> Callable[[int], Tensor]:
        return lambda seed: mini_batches(network, some, norm, radius, seed)

    for norm, radius in RADII[data]:
        print(f" {norm} {radius:g}")
        fit = Universal(norm=norm, radius=radius, batch_size=SHARD)  # type: ignore[arg-type]
        row("advcore universal", network, unseen, own(fit))
        row("mini-batches, as published", network, unseen, published(norm, radius))
    print(" l2, two medians")
    measured = Universal(radius=Medians(2.0), batch_size=SHARD)
    row("advcore universal, radius measured", network, unseen, own(measured))
    print(" l2 3")
    first = Sequential(radius=3.0, passes=2)
    row("advcore sequential, two passes", network, unseen, own(first, SAMPLES))


if __name__ == "__main__":
    main(*sys.argv[1:])
