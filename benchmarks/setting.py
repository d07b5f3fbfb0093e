"""What the benchmarks share: a trained LeNet, real digits, a clock, and a line that names the machine."""

import platform
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from advcore.networks import lenet
from advcore.training import Recipe, fit
from workers.datasets import DataSpec, batch, load
from workers.shards import Shard


def classified(network: nn.Module, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` test digits that the network classifies right, and their labels."""
    images, labels = digits("test", 2 * count)
    right = (network(images).argmax(1) == labels).nonzero()[:count, 0]
    return images[right], labels[right]


def digits(split: str, samples: int) -> tuple[Tensor, Tensor]:
    """Images `(samples, 1, 28, 28)` and labels of mnist5k."""
    dataset = load(DataSpec("mnist5k", split, samples))  # type: ignore[arg-type]
    some = batch(dataset, Shard(0, samples))
    return some.images, some.labels


def trained_lenet(epochs: int = 5) -> nn.Module:
    """A LeNet after a few epochs on 4,000 digits: the same each time."""
    torch.manual_seed(0)
    network = lenet()
    for _ in fit(network, *digits("train", 4000), Recipe(epochs=epochs)):
        pass
    return network.requires_grad_(False)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The best wall time of some repeats, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def machine() -> str:
    """Processor, threads, torch."""
    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
