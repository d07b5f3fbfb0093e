"""The standard ensemble beside torchattacks' AutoAttack: robust accuracy and time on the same
images, and what each stage costs.

torchattacks' makes 10 steps where the publication and ours make 100: both run with 10 and with 100.

Needs the peers: `make bench-peers`.
"""

import time
from collections.abc import Callable

import torchattacks
from torch import Tensor, nn

from advcore.attacks import StandardEnsemble
from advcore.criteria import Untargeted
from benchmarks.setting import machine, pictures, trained_lenet

BALLS = (("linf", 0.15), ("l2", 2.5))
"""Balls that most samples do not survive: Square spends 5,000 queries on each that does."""


def stages(attack: StandardEnsemble, network: nn.Module, images: Tensor, labels: Tensor) -> str:
    """Seconds of each stage on what the stages before it left standing, and how many samples it
    broke.
    """
    parts = []
    for stage in attack.stages():
        start = time.perf_counter()
        found = stage(network, images, Untargeted(labels)).found
        parts.append(
            f"{type(stage).__name__} {time.perf_counter() - start:.2f} s, {int(found.sum())} "
            f"of {len(found)}"
        )
        images, labels = images[~found], labels[~found]
        if not len(images):
            break
    return "; ".join(parts)


def timed(run: Callable[[], Tensor]) -> tuple[float, float]:
    """The share of True in what comes back, in percent, and seconds."""
    start = time.perf_counter()
    stands = run()
    return 100 * stands.double().mean().item(), time.perf_counter() - start


def main(count: int = 512) -> None:
    network, (images, labels) = trained_lenet(), pictures("mnist5k", "test", count)
    print(f"standard ensemble, LeNet, {count} digits ({machine()}): robust accuracy, seconds")
    for norm, eps in BALLS:
        print(f"  {norm} {eps}")
        for steps in (10, 100):
            own = StandardEnsemble(eps=eps, norm=norm, steps=steps)  # type: ignore[arg-type]
            ours, own_time = timed(lambda own=own: ~own(network, images, Untargeted(labels)).found)
            peer = torchattacks.AutoAttack(
                network, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, n_classes=10, seed=0
            )
            for stage in peer._autoattack.attacks:
                stage.steps = steps  # Square has none, and does not look
            theirs, peer_time = timed(
                lambda peer=peer: network(peer(images.clone(), labels)).argmax(1) == labels
            )
            told = (
                f"advcore {ours:.1f} % in {own_time:.1f} s, torchattacks {theirs:.1f} % in "
                f"{peer_time:.1f} s"
            )
            print(
                f"    {steps:3} steps: {told}; ours in {own_time / peer_time:.2f} of its time",
                flush=True,
            )
        print(f"    {stages(own, network, images, labels)}", flush=True)


if __name__ == "__main__":
    main()
