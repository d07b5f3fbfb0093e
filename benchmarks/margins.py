"""Margins per second in 21 DCT blocks (K = 8) of a LeNet on digits, against the published per-sample algorithm.

The baseline is that of Ortiz-Jimenez et al. 2020 written anew: one image, one subspace, an explicit basis, one backward pass per
class. Both run here, on the same samples, so the ratio is of one machine and one moment.
"""

import time

import torch
from torch import Tensor, nn

from advcore.margins import margins
from advcore.subspaces import dct_blocks
from benchmarks.setting import digits, machine, seconds, trained_lenet


def published(network: nn.Module, image: Tensor, basis: Tensor, steps: int = 100, overshoot: float = 0.02) -> float:
    """The margin of one image `(1, C, H, W)` in the span of `basis` `(D, m)`."""
    classes = network(image)[0].argsort(descending=True)[:10]
    total, label = torch.zeros_like(image), classes[0]
    for _ in range(steps):
        current = (image + total).requires_grad_()
        logits = network(current)[0]
        rows = [torch.autograd.grad(logits[k], current, retain_graph=True)[0].flatten() for k in classes]
        best, step = torch.inf, total
        for k in range(1, len(classes)):
            normal = basis @ (basis.T @ (rows[k] - rows[0]))
            distance = (logits[classes[k]] - logits[label]).abs().item() / normal.norm().item()
            if distance < best:
                best, step = distance, (normal / normal.norm()).view_as(image)
        total = total + max(best, 1e-4) * step
        if network(image + (1 + overshoot) * total)[0].argmax() != label:
            break
    return (1 + overshoot) * total.norm().item()


def main() -> None:
    network, (images, _) = trained_lenet(), digits("test", 96)
    family = dct_blocks(28, size=8, stride=1)
    ours = margins(network, images, family).distance
    rate = ours.numel() / seconds(lambda: margins(network, images, family))
    few, bases = images[:4], [family[position].lift(torch.eye(family.dim)).flatten(1).T for position in range(len(family))]
    start = time.perf_counter()
    theirs = torch.tensor([[published(network, image[None], basis) for image in few] for basis in bases])
    slow = theirs.numel() / (time.perf_counter() - start)
    difference = ((ours[:, : len(few)] - theirs).abs() / theirs).median().item()
    print(f"margins, LeNet, 21 DCT blocks, 96 digits ({machine()})")
    print(f"  published per-sample algorithm {slow:8.1f} margins/s")
    speed = f"{rate:8.1f} margins/s, {rate / slow:.0f} times"
    print(f"  advcore                        {speed}; median relative difference {difference:.1e}")


if __name__ == "__main__":
    main()
