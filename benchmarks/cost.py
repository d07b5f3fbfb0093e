"""What a study will take, from the passes that it makes and what a pass costs: predicted and
measured on this machine.

Margins of a ResNet-50 at 224 x 224 in 14 subspaces. Half of the images say how many forward and
backward passes a margin takes, batches of random images what one of them costs; their sum, and the
building of the model, is the prediction for a study of the other half, which is then run, store and
all. `docs/cost.md` puts the same sum to a cluster.

All times are processor time of this process, which other work on the machine changes little: give
it one thread (OMP_NUM_THREADS=1), whose processor time is its wall time on an idle machine.

The network is torchvision's with fresh weights, the images are crops of scikit-learn's two
photographs, unless others are given (`python -m benchmarks.cost WEIGHTS.safetensors IMAGES.npz`):
fresh weights have other margins than trained ones, and may need another number of passes.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from advcore.classifier import full_precision
from advcore.margins import margins
from advcore.probes import Margins
from advcore.subspaces import DCTDiagonal
from advcore.workers.datasets import Dataset
from advcore.workers.inline import Inline
from advcore.workers.keys import work_key
from advcore.workers.models import ModelSpec, build, content_hash
from advcore.workers.shards import split
from advcore.workers.tasks import DATA, Task
from benchmarks.setting import machine

SIDE, SUBSPACES, CLASSES = 224, 14, 1000
FAMILY = DCTDiagonal(size=16, stride=16)
ROWS = 64


@dataclass(frozen=True)
class Passes:
    """Of one sample through the network, for one margin: forward alone, and forward with what is
    kept for a backward one.
    """

    forward: float
    kept: float
    backward: float


class Counted(nn.Module):
    """A network that counts the samples that go forward through it, and the gradients that come
    back.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.forward_samples = self.kept_samples = self.backward_samples = 0

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images)
        if images.requires_grad or logits.requires_grad:
            self.kept_samples += len(images)
            logits.register_hook(self._back)
        else:
            self.forward_samples += len(images)
        return logits

    def _back(self, gradient: Tensor) -> None:
        self.backward_samples += (
            len(gradient) if gradient.ndim == 2 else gradient.shape[0] * gradient.shape[1]
        )


def count_passes(network: nn.Module, images: Tensor) -> Passes:
    counted = Counted(network)
    found = margins(counted, images, FAMILY((3, SIDE, SIDE)), rows=ROWS).distance
    number = found.numel()
    return Passes(
        counted.forward_samples / number,
        counted.kept_samples / number,
        counted.backward_samples / number,
    )


def cost_of_pass(network: nn.Module, size: int = 16) -> Passes:
    """Processor seconds of one sample in a batch: forward alone, forward for a backward one,
    backward.
    """
    images = torch.rand(size, 3, SIDE, SIDE)
    forward, kept, backward = [], [], []
    with full_precision():
        for turn in range(3):
            start = time.process_time()
            with torch.no_grad():
                network(images)
            middle = time.process_time()
            leaf = images.clone().requires_grad_()
            logits = network(leaf)
            almost = time.process_time()
            torch.autograd.grad(logits[:, 0].sum(), leaf)
            if turn:
                forward.append(middle - start)
                kept.append(almost - middle)
                backward.append(time.process_time() - almost)
    return Passes(sum(forward) / 2 / size, sum(kept) / 2 / size, sum(backward) / 2 / size)


def study(folder: Path, spec: ModelSpec, dataset: Dataset, size: int) -> float:
    """Processor seconds of the margins of all samples, in shards, with the store."""
    digest = content_hash(spec)
    probe = Margins(family=FAMILY, rows=ROWS)
    todo = [
        Task(
            work_key(digest, dataset.digest, {}, shard, 0, "float32"),
            "resnet50/margins",
            spec,
            digest,
            probe,
            shard,
            0,
        )
        for shard in split(len(dataset), size)
    ]
    start = time.process_time()
    failed = [
        outcome.error
        for outcome in Inline(str(folder), threads=torch.get_num_threads()).run(
            todo, {DATA: dataset}
        )
        if not outcome.ok
    ]
    if failed:
        raise RuntimeError(failed[0])
    return time.process_time() - start


def photographs(count: int) -> np.ndarray:
    """Crops `(count, 3, 224, 224)` of the two photographs that come with scikit-learn."""
    from sklearn.datasets import load_sample_images

    both = load_sample_images().images
    corners = [(turn % 2, 40 * (turn // 2), 70 * (turn // 2)) for turn in range(count)]
    return np.stack(
        [
            both[which][top : top + SIDE, left : left + SIDE].transpose(2, 0, 1)
            for which, top, left in corners
        ]
    )


def main() -> None:
    checkpoint = sys.argv[1] if len(sys.argv) > 1 else None
    images = photographs(4)
    if len(sys.argv) > 2:
        with np.load(sys.argv[2], allow_pickle=False) as arrays:
            images = arrays["images"]
    few = len(images) // 2
    spec = ModelSpec(
        "resnet50", checkpoint, CLASSES, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    start = time.process_time()
    content_hash(spec)
    network = build(spec)
    once = time.process_time() - start
    weights = "trained" if checkpoint else "fresh"
    print(
        f"margins of a ResNet-50 in {SUBSPACES} subspaces, {weights} weights ({machine()})",
        flush=True,
    )
    cost, passes = (
        cost_of_pass(network),
        count_passes(network, torch.from_numpy(images[:few]).float() / 255),
    )
    for way in ("forward", "kept", "backward"):
        print(
            (
                f"  {way:9} {1000 * getattr(cost, way):7.1f} ms a pass, "
                f"{getattr(passes, way):6.2f} passes a margin"
            ),
            flush=True,
        )
    margin = sum(
        getattr(passes, way) * getattr(cost, way) for way in ("forward", "kept", "backward")
    )
    rest = images[few:]
    labels, indices = np.zeros(len(rest), np.int64), np.arange(few, len(images))
    dataset = Dataset(rest, labels, indices, tuple(map(str, range(CLASSES))))
    predicted = len(rest) * SUBSPACES * margin + once
    with tempfile.TemporaryDirectory() as name:
        measured = study(Path(name) / "store", spec, dataset, 4)
    print(f"  a margin takes {margin:.3f} s of passes; the model is built in {once:.1f} s")
    print(
        f"  {len(rest)} other images: predicted {predicted:.1f} s, measured {measured:.1f} s: "
        f"{measured / predicted:.2f} times"
    )


if __name__ == "__main__":
    main()
