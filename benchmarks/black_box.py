"""Attacks of decisions beside foolbox's and ART's: l2 distance at equal queries, and time.

    python -m benchmarks.black_box [SAMPLES]

On a linear classifier of 64 pixels, where the exact distance is known, and on a LeNet trained on
12,000 pictures of Fashion-MNIST (Debian's package dataset-fashion-mnist). One thread; seconds are
of processor time, which other work on the machine changes little. foolbox runs one sample at a
time, for its HopSkipJump depends on the batch. Peers stop at an exception of the classifier once
their queries are spent, and their best image so far counts, as for ours.

Each of ours is compared with the best peer: its median distance over the smallest of the peers'
medians, in a paired bootstrap over the samples; its time over that of the quickest peer.
"""

import contextlib
import gzip
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from advcore import Randomness, Untargeted, attacks

DATA = Path("/usr/share/datasets/fashion-mnist")
BUDGETS = (1000, 4000)
DRAWS = 10_000
"""Number of draws of a bootstrap."""


def pictures(part: str, count: int) -> tuple[Tensor, Tensor]:
    """Fashion-MNIST's first pictures and labels."""
    images, labels = (
        gzip.decompress((DATA / f"{part}-{kind}-ubyte.gz").read_bytes())
        for kind in ("images-idx3", "labels-idx1")
    )
    pixels = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8)
    classes = torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8)
    return pixels.view(-1, 1, 28, 28)[:count].float() / 255, classes[:count].long()


def lenet() -> nn.Module:
    """A LeNet of 8 and 16 channels, six epochs of Adam."""
    torch.manual_seed(0)
    features = [nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    network = nn.Sequential(*features, nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))
    images, labels = pictures("train", 12_000)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(6):
        for index in torch.randperm(len(images)).split(100):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(images[index]), labels[index]).backward()
            optimiser.step()
    return network.eval()


def linear() -> nn.Module:
    """Two classes of 8 x 8 pixels, with the boundary through grey.

    A third one is never predicted: ART's SignOPT refuses two.
    """
    torch.manual_seed(5)
    layer = nn.Linear(64, 3)
    with torch.no_grad():
        layer.weight[2] = 0
        layer.bias.copy_(-0.5 * layer.weight.sum(1))
        layer.bias[2] = -100
    return nn.Sequential(nn.Flatten(), layer).eval()


class Spent(Exception):  # noqa: N818
    """All queries of a sample are spent."""


class Metered(nn.Module):
    """A classifier that keeps the shortest adversarial image, and stops after `queries`."""

    def __init__(self, network: nn.Module, image: Tensor, label: int, queries: int) -> None:
        super().__init__()
        self.network, self.image, self.label, self.left = network, image, label, queries
        self.shortest = float("inf")

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        allowed = images[: max(self.left, 0)]
        logits = self.network(allowed)
        wrong = logits.argmax(1) != self.label
        if wrong.any():
            sizes = (allowed[wrong] - self.image).flatten(1).norm(dim=1)
            self.shortest = min(self.shortest, sizes.min().item())
        self.left -= len(images)
        if self.left < 0:
            raise Spent
        return logits


def of_foolbox(metered: Metered, image: Tensor, label: Tensor) -> None:
    import foolbox

    model = foolbox.PyTorchModel(metered, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.HopSkipJumpAttack(steps=1000)
    attack(model, image, label, epsilons=None)


def art_classifier(metered: Metered, image: Tensor, classes: int) -> object:
    from art.estimators.classification import BlackBoxClassifier

    def labels(batch: np.ndarray) -> np.ndarray:
        logits = metered(torch.from_numpy(np.asarray(batch, dtype=np.float32)))
        return np.eye(classes, dtype=np.float32)[logits.argmax(1).numpy()]

    return BlackBoxClassifier(labels, tuple(image.shape[1:]), classes, clip_values=(0.0, 1.0))


def of_art_hop_skip_jump(metered: Metered, image: Tensor, label: Tensor) -> None:
    from art.attacks.evasion import HopSkipJump

    classifier = art_classifier(metered, image, CLASSES[0])
    attack = HopSkipJump(classifier, targeted=False, max_iter=1000, verbose=False)
    attack.generate(image.numpy(), y=np.eye(CLASSES[0])[label.numpy()])


def of_art_sign_opt(metered: Metered, image: Tensor, label: Tensor) -> None:
    from art.attacks.evasion import SignOPTAttack

    classifier = art_classifier(metered, image, CLASSES[0])
    attack = SignOPTAttack(
        classifier, targeted=False, max_iter=1000, query_limit=10**6, verbose=False
    )
    attack.generate(image.numpy(), y=np.eye(CLASSES[0])[label.numpy()])


CLASSES = [10]
PEERS = {
    "foolbox HopSkipJump": of_foolbox,
    "ART HopSkipJump": of_art_hop_skip_jump,
    "ART SignOPT": of_art_sign_opt,
}


def peer(run, network: nn.Module, images: Tensor, labels: Tensor, queries: int) -> Tensor:  # type: ignore[no-untyped-def]
    """The shortest distance of each sample, one after the other."""
    np.random.seed(0)
    torch.manual_seed(0)
    found = []
    for image, label in zip(images.split(1), labels.split(1), strict=True):
        metered = Metered(network, image, int(label), queries).eval()
        with contextlib.suppress(Spent):
            run(metered, image, label)
        found.append(metered.shortest)
    return torch.tensor(found)


def mine(attack: attacks.Attack, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The shortest distance of each sample, all in one batch."""
    randomness = Randomness(0, torch.arange(len(images)))
    return attack(network, images, Untargeted(labels), randomness).distance


def ours(queries: int, band: int | None) -> dict[str, attacks.Attack]:
    """The attacks of advcore; `band` for the network of pictures."""
    made = {
        "GeoDA": attacks.GeoDA(queries=queries),
        "GeoDA circle": attacks.GeoDA(queries=queries, step="circle"),
        "HopSkipJump": attacks.HopSkipJump(queries=queries),
        "SurFree": attacks.SurFree(queries=queries),
        "QFool": attacks.QFool(queries=queries),
        "Staircase": attacks.Staircase(queries=queries),
    }
    if band:
        made |= {
            f"GeoDA band {band}": attacks.GeoDA(queries=queries, band=band),
            f"GeoDA circle band {band}": attacks.GeoDA(queries=queries, band=band, step="circle"),
            f"HopSkipJump band {band}": attacks.HopSkipJump(queries=queries, band=band),
            f"SurFree band {band}": attacks.SurFree(queries=queries, band=band),
            "Staircase band 28": attacks.Staircase(queries=queries, band=28),
        }
    return made


@dataclass(frozen=True, eq=False)
class Row:
    """What came of an attack: `distance` `(samples,)` in pixel units, `seconds` of all samples."""

    name: str
    distance: Tensor
    seconds: float


def timed(name: str, run: Callable[[], Tensor]) -> Row:
    """Run an attack, which returns its distances, and take its processor time."""
    start = time.process_time()
    return Row(name, run(), time.process_time() - start)


def over_best(own: Tensor, peers: Tensor) -> tuple[float, float, float]:
    """Return the median over the smallest of the peers' medians, with its 95 % interval.

    `own` `(samples,)`, `peers` `(peers, samples)`; each draw of samples chooses its best peer.
    """

    def ratio(rows: Tensor) -> Tensor:
        return own[rows].median(-1).values / peers[:, rows].median(-1).values.amin(0)

    count = len(own)
    draws = torch.randint(count, (DRAWS, count), generator=torch.Generator().manual_seed(0))
    low, high = ratio(draws).quantile(torch.tensor([0.025, 0.975])).tolist()
    return ratio(torch.arange(count)).item(), low, high


def compare(
    name: str, network: nn.Module, images: Tensor, labels: Tensor, exact: Tensor, band: int | None
) -> None:
    """Print one line an attack: distances, alone, over the exact ones and over peers'; seconds."""
    CLASSES[0] = network(images).shape[1]
    for queries in BUDGETS:
        peers = [
            timed(kind, partial(peer, run, network, images, labels, queries))
            for kind, run in PEERS.items()
        ]
        rows = [
            timed(kind, partial(mine, attack, network, images, labels))
            for kind, attack in ours(queries, band).items()
        ]
        print(f"\n{name}, {queries} queries, {len(images)} samples")
        print("| attack | median l2 | over exact | over best peer | seconds | over quickest |")
        print("|---|---|---|---|---|---|")
        theirs = torch.stack([row.distance for row in peers])
        quickest = min(row.seconds for row in peers)
        for row in peers + rows:
            ratio, low, high = over_best(row.distance, theirs)
            print(
                f"| {row.name} | {row.distance.median():.4f} "
                f"| {(row.distance / exact).median():.4f} | {ratio:.3f} ({low:.3f} to {high:.3f}) "
                f"| {row.seconds:.1f} | {row.seconds / quickest:.2f} |"
            )
        sys.stdout.flush()


def on_linear(count: int) -> None:
    """Compare on the linear classifier, whose exact distances are known."""
    network, generator = linear(), torch.Generator().manual_seed(1)
    images = 0.35 + 0.3 * torch.rand(count, 1, 8, 8, generator=generator)
    weight, logits = network[1].weight.detach(), network(images).detach()
    exact = (logits[:, 0] - logits[:, 1]).abs() / (weight[0] - weight[1]).norm()
    compare("linear, 64 pixels", network, images, logits.argmax(1), exact, None)


def on_lenet(count: int) -> None:
    """Compare on the first test pictures that the LeNet knows, beside the minimal perturbation."""
    network = lenet()
    images, labels = pictures("t10k", 200)
    right = (network(images).argmax(1) == labels).nonzero()[:count, 0]
    images, labels = images[right], labels[right]
    exact = attacks.MinimalNorm()(network, images, Untargeted(labels)).distance
    compare("LeNet, Fashion-MNIST", network, images, labels, exact, 14)


if __name__ == "__main__":
    torch.set_num_threads(1)
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    on_linear(samples)
    on_lenet(samples)
