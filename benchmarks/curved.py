"""Shared curved directions of images of 3 x 224 x 224: the time of a round beside that of its pure
products, and this process's own memory round by round.

    python -m benchmarks.curved [IMAGES] [ROUNDS]

A share's time grows with the images and a step's does not, so the ratio at 2,000 images follows
from few: (share x 2000 / IMAGES + step) / (products x 2000 / IMAGES).
"""

import itertools
import re
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from advcore.fits import Adder, CurvedDirections, FitSamples
from advcore.probes import Batch
from advcore.randomness import Randomness
from benchmarks.setting import machine

SHAPE, SHARD, WANTED = (3, 224, 224), 16, 2000


def network() -> nn.Module:
    """A small convolutional network of large images."""
    torch.manual_seed(0)
    widths = (3, 16, 32, 64)
    layers = [
        part
        for low, high in itertools.pairwise(widths)
        for part in (nn.Conv2d(low, high, 3, 2, 1), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)).eval()


def products(net: nn.Module, images: Tensor, labels: Tensor, vectors: Tensor) -> Tensor:
    """The sum over images of each exact Hessian times each vector, by torch alone."""
    leaf = images.clone().requires_grad_()
    loss = cross_entropy(net(leaf), labels, reduction="sum")
    (slope,) = torch.autograd.grad(loss, leaf, create_graph=True)
    rows = [
        torch.autograd.grad(slope, leaf, vector.view(1, *SHAPE).expand_as(leaf), retain_graph=True)
        for vector in vectors
    ]
    return torch.stack([row[0].sum(0).flatten() for row in rows])


def own_memory() -> float:
    """This process's anonymous memory, in MB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"RssAnon:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024


def main(count: int = 64, rounds: int = 5) -> None:
    torch.set_num_threads(1)
    net = network().requires_grad_(False)
    images = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0))
    labels, index = torch.arange(count) % 10, torch.arange(count)
    batches = [
        Batch(images[k : k + SHARD], labels[k : k + SHARD], index[k : k + SHARD], k)
        for k in range(0, count, SHARD)
    ]
    fit = CurvedDirections(directions=20, tolerance=1e-9, rounds=rounds, batch_size=SHARD)
    samples = FitSamples(SHAPE, 10, count)
    print(f"{count} images of 3 x 224 x 224, 20 + {fit.extra} vectors ({machine()})")
    state = fit.start(samples)
    while not state.done:
        vectors, spent = state.tensors["block"], {"share": 0.0, "add": 0.0, "pure": 0.0}
        adder = Adder(range(len(batches)))
        for shard, batch in enumerate(batches):
            marks = [time.process_time()]
            share = fit.share(net, batch, state, Randomness(0, batch.indices))
            marks.append(time.process_time())
            adder.put(shard, share)
            marks.append(time.process_time())
            pure = products(net, batch.inputs, batch.labels, vectors)
            marks.append(time.process_time())
            torch.testing.assert_close(share["products"], pure, rtol=1e-3, atol=1e-6)
            for name, (start, end) in zip(spent, itertools.pairwise(marks), strict=True):
                spent[name] += end - start
        start = time.process_time()
        state = fit.after(samples, state, adder.sums())
        step, scale = time.process_time() - start, WANTED / count
        whole = (scale * (spent["share"] + spent["add"]) + step) / (scale * spent["pure"])
        print(
            f"  round {state.rounds}: share {spent['share']:.2f} s, adding {spent['add']:.2f}, "
            f"step {step:.2f}, pure products {spent['pure']:.2f}; at {WANTED} images "
            f"{whole:.2f} times the pure products; own memory {own_memory():.0f} MB; residual "
            f"{state.history['residual'][-1]:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
