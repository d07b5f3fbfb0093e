"""Minimal-norm attacks beside the peers' on real networks: the same batch and process; medians,
times, and ratios of both.

    python -m benchmarks.minimal_norms [lenet|resnet18] [DATA]

Needs the peers: `make bench-peers` installs them and runs it.
"""

import sys

import foolbox
import torch
from torch import nn

from advcore.attacks import DeepFool, MinimalNorm
from advcore.training import Recipe
from benchmarks.peers import Run, of_adv_lib, of_foolbox, ours, outcome
from benchmarks.setting import classified, machine, resnet18, trained, trained_lenet

ATTACKS: dict[str, dict[str, Run]] = {
    "l2": {
        "advcore DeepFool": ours(DeepFool()),
        "adv-lib DeepFool": of_adv_lib("df", norm=2),
        "foolbox DeepFool": of_foolbox(foolbox.attacks.L2DeepFoolAttack()),
        "advcore MinimalNorm": ours(MinimalNorm()),
        "adv-lib DDN(100)": of_adv_lib("ddn", steps=100),
        "adv-lib SuperDeepFool": of_adv_lib("sdf"),
        "adv-lib FMN(100)": of_adv_lib("fmn", norm=2, steps=100),
        "adv-lib FAB(100)": of_adv_lib("fab", norm=2, n_iter=100),
        "foolbox C&W(9x100)": of_foolbox(foolbox.attacks.L2CarliniWagnerAttack(steps=100)),
    },
    "linf": {
        "advcore DeepFool": ours(DeepFool(norm="linf")),
        "adv-lib DeepFool": of_adv_lib("df", norm=torch.inf),
        "foolbox DeepFool": of_foolbox(foolbox.attacks.LinfDeepFoolAttack()),
        "advcore MinimalNorm": ours(MinimalNorm(norm="linf")),
        "adv-lib FMN(100)": of_adv_lib("fmn", norm=torch.inf, steps=100),
        "adv-lib FAB(100)": of_adv_lib("fab", norm=torch.inf, n_iter=100),
    },
}

SLOW = ("foolbox DeepFool", "adv-lib FAB(100)", "foolbox C&W(9x100)")
"""Left out where a pass takes long: minutes each on a ResNet."""


def table(
    network: nn.Module, data: str, count: int, repeats: int, without: tuple[str, ...] = ()
) -> None:
    images, labels = classified(network, count, data)
    print(f"{len(images)} images of {data} classified right ({machine()})")
    for norm, attacks in ATTACKS.items():
        rows = {
            name: outcome(run, network, images, labels, norm, repeats)
            for name, run in attacks.items()
            if name not in without
        }
        quick, tight = rows["advcore DeepFool"], rows["advcore MinimalNorm"]
        print(
            f"  {norm:22}   median  found  seconds   of DeepFool: median, time   of "
            "MinimalNorm: median, time"
        )
        for name, row in rows.items():
            ratios = f"{row.median / quick.median:19.4f} {row.seconds / quick.seconds:7.2f}"
            print(
                f"  {name:22} {row.median:8.4f} {row.found:6.3f} {row.seconds:8.2f} {ratios}"
                f"{row.median / tight.median:22.4f} {row.seconds / tight.seconds:7.2f}",
                flush=True,
            )


def main(which: str = "", data: str = "fashion-mnist") -> None:
    if which in ("", "lenet"):
        print("minimal-norm attacks, LeNet,", end=" ")
        table(trained_lenet(10, data, 8000), data, count=96, repeats=3)
    if which in ("", "resnet18"):
        print("minimal-norm attacks, ResNet-18,", end=" ")
        network = trained(resnet18, data, 8000, Recipe(epochs=1, learning_rate=0.1))
        table(network, data, count=32, repeats=3, without=SLOW)


if __name__ == "__main__":
    main(*sys.argv[1:])
