"""The 20 largest eigenvalues of the input Hessian by Lanczos, batched, against hessian-eigenthings
sample by sample.

The network is a trained LeNet with softplus for ReLU, so that its Hessian has more than nine
eigenvalues. Both get the same exact Hessian products of the loss in the input. hessian-eigenthings'
Lanczos is run with as many steps as ours took, reorthogonalised (by default it takes 40, whether or
not they are enough), and its power iteration with deflation as it comes.
"""

import time
from collections.abc import Callable

import hessian_eigenthings as peer
import torch
from torch import Tensor, nn

from advcore import Randomness
from advcore.curvature import Eigenpairs, InputHessian, cross_entropy_of, eigenprofile, lanczos
from benchmarks.setting import digits, machine, seconds, trained_lenet

COUNT, TOP, DIMENSION = 32, 20, 784


class Counted:
    """An operator that counts its products."""

    def __init__(self, operator: InputHessian) -> None:
        self.operator, self.products = operator, 0

    def __matmul__(self, vectors: Tensor) -> Tensor:
        self.products += 1
        return self.operator @ vectors


def softened(network: nn.Module) -> nn.Module:
    """Its ReLUs replaced by softplus."""
    parts = [
        nn.Softplus(beta=10) if isinstance(part, nn.ReLU) else part for part in network.children()
    ]
    return nn.Sequential(*parts)


def hessian(network: nn.Module, images: Tensor, labels: Tensor) -> InputHessian:
    return InputHessian(network, images, cross_entropy_of(labels))


def ours(operator: InputHessian | Counted) -> Eigenpairs:
    return lanczos(operator, Randomness(0, torch.arange(COUNT)), DIMENSION, TOP, torch.float32)


def main() -> None:
    network, (images, labels) = softened(trained_lenet()), digits("test", COUNT)
    fast = COUNT / seconds(lambda: ours(hessian(network, images, labels)))
    values, counted = (
        ours(hessian(network, images, labels)).values,
        Counted(hessian(network, images, labels)),
    )
    ours(counted)
    steps = counted.products - TOP  # the rest are for the residuals
    every = eigenprofile(network.double(), images.double(), labels, path="products").values
    exact = every.gather(1, every.abs().argsort(1, descending=True))[:, :TOP]
    network.float()

    def error(some: Tensor) -> float:
        """Of magnitudes, as a share of the largest: the worst of the 20, at the worst of the first
        samples.
        """
        magnitudes = exact[: len(some)].abs()
        return ((some.abs() - magnitudes).abs().amax(1) / magnitudes[:, 0]).max().item()

    def alone(
        solve: Callable[[peer.LambdaOperator], peer.EigenResult], count: int
    ) -> tuple[float, float]:
        """Samples per second, and the error, over the first `count` samples."""
        start, found = time.perf_counter(), []
        for row in range(count):
            one = hessian(network, images[row : row + 1], labels[row : row + 1])
            operator = peer.LambdaOperator(
                lambda vector, one=one: (one @ vector[None])[0], DIMENSION
            )  # type: ignore[misc]
            found.append(solve(operator).eigenvalues)
        return count / (time.perf_counter() - start), error(torch.stack(found))

    print(
        f"top {TOP} eigenvalues, LeNet with softplus, D = {DIMENSION}, {COUNT} digits "
        f"({machine()}); worst error of 8"
    )
    print(
        f"  advcore Lanczos, {steps} steps              {fast:7.2f} samples/s, error "
        f"{error(values[:8]):.1e}"
    )
    for name, solve, count in (
        (
            f"Lanczos, {steps} steps",
            lambda op: peer.lanczos(op, k=TOP, max_iter=steps, reorthogonalize=True, seed=0),
            8,
        ),
        ("Lanczos, default", lambda op: peer.lanczos(op, k=TOP, seed=0), 8),
        ("power iteration", lambda op: peer.deflated_power_iteration(op, k=TOP, seed=0), 2),
    ):
        rate, off = alone(solve, count)
        print(
            f"  hessian-eigenthings {name:18} {rate:7.2f} samples/s, error {off:.1e}: ours "
            f"{fast / rate:.1f} times as fast"
        )


if __name__ == "__main__":
    main()
