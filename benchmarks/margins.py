"""Margins per second in 21 DCT blocks (K = 8), against the published per-sample algorithm and the
bare cost of the passes.

The baseline is that of Ortiz-Jimenez et al. 2020 written anew: one image, one subspace, an explicit
basis, one backward pass per class. Both run here, on the same samples, so the ratio is of one
machine and one moment. Its backward passes end at the image; those of a plain `backward()`, as
published DeepFool code calls it, go on to the weights of a network that is not frozen: that time is
given as well.
"""

import time

import torch
from torch import Tensor, nn

from advcore.folding import folded
from advcore.logit_gradients import jacobian
from advcore.margins import margins
from advcore.subspaces import Family, dct_blocks
from advcore.training import Recipe
from benchmarks.setting import digits, machine, pictures, resnet18, seconds, trained, trained_lenet


def published(
    network: nn.Module, image: Tensor, basis: Tensor, steps: int = 100, overshoot: float = 0.02
) -> float:
    """The margin of one image `(1, C, H, W)` in the span of `basis` `(D, m)`.

    Gradients of weights that want one are taken too.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    classes = network(image)[0].argsort(descending=True)[:10]
    total, label = torch.zeros_like(image), classes[0]
    for _ in range(steps):
        current = (image + total).requires_grad_()
        logits = network(current)[0]
        rows = [
            torch.autograd.grad(logits[k], [current, *weights], retain_graph=True)[0].flatten()
            for k in classes
        ]
        best, step = torch.inf, total
        for k in range(1, len(classes)):
            normal = basis @ (basis.T @ (rows[k] - rows[0]))
            distance = (logits[classes[k]] - logits[label]).abs().item() / normal.norm().item()
            if distance < best:
                best, step = distance, (normal / normal.norm()).view_as(image)
        total = (total + max(best, 1e-4) * step).detach()
        if network(image + (1 + overshoot) * total)[0].argmax() != label:
            break
    return (1 + overshoot) * total.norm().item()


def compare(name: str, network: nn.Module, images: Tensor, slow_images: int) -> None:
    """Ours on all images, the published algorithm on some of them; and the bare cost of the passes
    that ours made.
    """
    family = dct_blocks(28, size=8, stride=1)
    ours = margins(network, images, family).distance
    rate = ours.numel() / seconds(lambda: margins(network, images, family))
    few, bases = (
        images[:slow_images],
        [
            member.lift(torch.eye(family.dim)).flatten(1).T
            for member in map(family.__getitem__, range(21))
        ],
    )
    theirs, slow = per_sample(network, few, bases)
    _, slower = per_sample(network.requires_grad_(True), few, bases)
    network.requires_grad_(False)
    difference = ((ours[:, : len(few)] - theirs).abs() / theirs).median().item()
    floor = passes(network, images, family) / ours.numel()
    print(f"  {name}")
    print(
        f"    published per-sample algorithm {slow:8.1f} margins/s; {slower:.1f} where "
        "backward passes go on to the weights"
    )
    print(
        f"    advcore                        {rate:8.1f} margins/s, {rate / slow:.1f} and "
        f"{rate / slower:.0f} times; relative difference {difference:.1e}"
    )
    print(
        f"    its passes alone               {1 / floor:8.1f} margins/s, so they are "
        f"{floor * rate:.0%} of its time"
    )


def per_sample(network: nn.Module, images: Tensor, bases: list[Tensor]) -> tuple[Tensor, float]:
    """The published algorithm's margins `(subspace, sample)`, and how many a second."""
    start = time.perf_counter()
    found = torch.tensor(
        [[published(network, image[None], basis) for image in images] for basis in bases]
    )
    return found, found.numel() / (time.perf_counter() - start)


def passes(network: nn.Module, images: Tensor, family: Family) -> float:
    """Seconds that the bare passes of our margins take, forward, or forward and backward for one
    class, in batches of the same sizes and with batch normalisation folded, as there.
    """
    sizes: list[tuple[int, bool]] = []

    def recording(batch: Tensor) -> Tensor:
        sizes.append((len(batch), batch.requires_grad))
        return network(batch)

    margins(recording, images, family)
    some = images[:1].expand(2048, -1, -1, -1) + 0.01 * torch.rand(2048, *images.shape[1:])

    def bare() -> None:
        for size, differentiated in sizes:
            if differentiated:
                jacobian(network, some[:size], lambda logits: logits[:, :1])
            else:
                network(some[:size])

    with folded(network, some[:1]):
        return seconds(bare, repeats=2)


def main() -> None:
    print(f"margins in 21 DCT blocks ({machine()}); the published algorithm on a few of the images")
    compare("LeNet, 96 digits", trained_lenet(), digits("test", 96)[0], 4)
    fashion = pictures("fashion-mnist", "test", 96)[0]
    compare("LeNet, 96 of Fashion-MNIST", trained_lenet(3, "fashion-mnist", 20000), fashion, 4)
    compare(
        "ResNet-18, 8 of Fashion-MNIST",
        trained(resnet18, "fashion-mnist", 8000, Recipe(epochs=1, learning_rate=0.1)),
        fashion[:8],
        2,
    )


if __name__ == "__main__":
    main()
