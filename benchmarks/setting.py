"""What the benchmarks share: trained networks, real images, a clock, and a line that names the
machine.
"""

import hashlib
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from advcore.classifier import predict
from advcore.networks import lenet
from advcore.training import Recipe, fit
from advcore.workers.datasets import DataSpec, batch, load
from advcore.workers.shards import Shard


def pictures(data: str, split: str, samples: int) -> tuple[Tensor, Tensor]:
    """Images `(samples, C, H, W)` and labels of a data set."""
    dataset = load(DataSpec(data, split, samples))  # type: ignore[arg-type]
    some = batch(dataset, Shard(0, samples))
    return some.inputs, some.labels


def digits(split: str, samples: int) -> tuple[Tensor, Tensor]:
    """Images `(samples, 1, 28, 28)` and labels of mnist5k."""
    return pictures("mnist5k", split, samples)


def classified(network: nn.Module, count: int, data: str = "mnist5k") -> tuple[Tensor, Tensor]:
    """The first `count` test images that the network classifies right, and their labels."""
    images, labels = pictures(data, "test", 2 * count)
    right = (predict(network, images) == labels).nonzero()[:count, 0]
    return images[right], labels[right]


def trained(build: Callable[[], nn.Module], data: str, samples: int, recipe: Recipe) -> nn.Module:
    """A network after a recipe, the same each time, held still; its weights are kept in the
    machine's folder for such things.
    """
    torch.manual_seed(0)
    network = build()
    key = hashlib.sha256(f"{network} {data} {samples} {recipe}".encode()).hexdigest()[:16]
    kept = Path(tempfile.gettempdir()) / "advcore-benchmarks" / f"{key}.pt"
    if kept.exists():
        network.load_state_dict(torch.load(kept, weights_only=True))
    else:
        for _ in fit(network, *pictures(data, "train", samples), recipe):
            pass
        kept.parent.mkdir(exist_ok=True)
        torch.save(network.state_dict(), kept)
    return network.eval().requires_grad_(False)


def resnet18() -> nn.Module:
    """Torchvision's for small grey images: a 3x3 stem of stride 1, no pooling after it."""
    network = torchvision.models.resnet18(num_classes=10)
    network.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()  # type: ignore[assignment]
    return network


def trained_lenet(epochs: int = 5, data: str = "mnist5k", samples: int = 4000) -> nn.Module:
    """A LeNet after a few epochs."""
    return trained(lenet, data, samples, Recipe(epochs=epochs))


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
