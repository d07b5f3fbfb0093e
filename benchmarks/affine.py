"""The exact linear problem: what attacks find against the closed form, at three scales of the
logits, with and without the box.

Affine classifiers of 3 x 8 x 8 images, near grey, far from the box, or with a half of their pixels
on its faces. `tests/boxed.py` holds the exact distances. Needs the peers, and `tests` on the path:
`make bench-peers`.
"""

from collections.abc import Callable, Sequence

import boxed
import foolbox
import torch
import torchattacks
from torch import Tensor, nn

from advcore.attacks import APGD, DDN, FMN, PGD, Attack, DeepFool, MinimalNorm, SparseFool
from advcore.probes.robustness import QUALITIES
from advcore.robust_accuracy import attack_over, robust_accuracy
from benchmarks.peers import Run, of_adv_lib, of_foolbox, ours, outcome
from benchmarks.setting import machine

SCALES = (1.0, 10.0, 100.0)

ATTACKS: dict[str, dict[str, Run]] = {
    "l2": {
        "advcore MinimalNorm": ours(MinimalNorm()),
        "advcore DDN(100)": ours(DDN(steps=100)),
        "  the same, spread=20": ours(DDN(steps=100, spread=20)),
        "advcore FMN(100)": ours(FMN(steps=100)),
        "advcore DeepFool": ours(DeepFool()),
        "adv-lib DDN(100)": of_adv_lib("ddn", steps=100),
        "adv-lib FMN(100)": of_adv_lib("fmn", norm=2, steps=100),
        "adv-lib FAB(100)": of_adv_lib("fab", norm=2, n_iter=100),
        "adv-lib SuperDeepFool": of_adv_lib("sdf"),
        "foolbox FMN(100)": of_foolbox(foolbox.attacks.L2FMNAttack(steps=100)),
    },
    "linf": {
        "advcore MinimalNorm": ours(MinimalNorm(norm="linf")),
        "advcore FMN(100)": ours(FMN(norm="linf", steps=100)),
        "adv-lib FMN(100)": of_adv_lib("fmn", norm=torch.inf, steps=100),
        "adv-lib FAB(100)": of_adv_lib("fab", norm=torch.inf, n_iter=100),
    },
    "l1": {
        "advcore MinimalNorm": ours(MinimalNorm(norm="l1")),
        "advcore FMN(100)": ours(FMN(norm="l1", steps=100)),
        "advcore SparseFool": ours(SparseFool()),
        "adv-lib FMN(100)": of_adv_lib("fmn", norm=1, steps=100),
        "adv-lib FAB(100)": of_adv_lib("fab", norm=1, n_iter=100),
    },
    "l0": {
        "advcore FMN(100)": ours(FMN(norm="l0", steps=100)),
        "advcore SparseFool": ours(SparseFool(norm="l0")),
        "adv-lib FMN(100)": of_adv_lib("fmn", norm=0, steps=100),
        "adv-lib sigma-zero(100)": of_adv_lib("sigma_zero", num_steps=100),
    },
}

WITHOUT_BOX: dict[str, dict[str, Run]] = {
    norm: {
        "advcore MinimalNorm": ours(MinimalNorm(norm=norm, box=False)),
        "advcore FMN(100)": ours(FMN(norm=norm, box=False)),
    }  # type: ignore[arg-type]
    for norm in ("l2", "linf", "l1")
}


def ratios(run: Run, norm: str, classes: int, scale: float, active: bool, box: bool = True) -> str:
    """Of the samples that have an adversarial image: the share broken, the median and the largest
    ratio of norm to exact norm.
    """
    affine, images = boxed.problem(classes, scale, active)
    exact = boxed.margins(affine, images, norm, boxed=box)
    there = torch.isfinite(exact)
    try:
        distances = outcome(
            run,
            affine.eval().requires_grad_(False),
            images,
            affine(images).argmax(1),
            norm,
            box=box,
        ).distances
    except Exception as error:  # a peer that cannot take this problem
        return f"{type(error).__name__:>22}"
    ratio = distances[there].double() / exact[there]
    found = ratio[torch.isfinite(ratio)]
    most = found.max().item() if len(found) else torch.inf
    return f"{len(found) / len(ratio):5.2f} {ratio.median().item():7.4f} {most:8.4f}"


def minimal_norms(
    title: str, table: dict[str, dict[str, Run]], active: bool, box: bool = True
) -> None:
    print(f"\n{title}: success, median, max of found / exact")
    for norm, attacks in table.items():
        titles = [*(f"K=10, scale {scale:g}" for scale in SCALES), "K=2, scale 10", "K=3, scale 10"]
        print(f"  {norm:24}" + "".join(f"{heading:>25}" for heading in titles))
        for name, run in attacks.items():
            cells = [ratios(run, norm, 10, scale, active, box) for scale in SCALES]
            cells += [ratios(run, norm, classes, 10.0, active, box) for classes in (2, 3)]
            print(f"  {name:24}" + "".join(f"{cell:>25}" for cell in cells), flush=True)


BUDGET: dict[str, dict[str, Callable[[float], Run]]] = {
    "linf": {
        "advcore PGD": lambda eps: ours(PGD(eps=eps)),
        "  of logit_margin": lambda eps: ours(PGD(eps=eps, objective="logit_margin")),
        "advcore APGD": lambda eps: ours(APGD(eps=eps)),
        "  of logit_margin ": lambda eps: ours(APGD(eps=eps, objective="logit_margin")),
        "torchattacks PGD": lambda eps: (
            lambda network, images, labels: torchattacks.PGD(network, eps=eps)(images, labels)
        ),
        "foolbox LinfPGD": lambda eps: of_foolbox(foolbox.attacks.LinfPGD(), eps),
        "adv-lib APGD-CE": lambda eps: of_adv_lib(
            "apgd", eps=eps, norm=torch.inf, loss_function="ce"
        ),
    },
    "l2": {
        "advcore PGD": lambda eps: ours(PGD(eps=eps, norm="l2")),
        "  of logit_margin": lambda eps: ours(PGD(eps=eps, norm="l2", objective="logit_margin")),
        "advcore APGD": lambda eps: ours(APGD(eps=eps, norm="l2")),
        "  of logit_margin ": lambda eps: ours(APGD(eps=eps, norm="l2", objective="logit_margin")),
        "torchattacks PGD": lambda eps: (
            lambda network, images, labels: torchattacks.PGDL2(network, eps=eps)(images, labels)
        ),
        "foolbox L2PGD": lambda eps: of_foolbox(foolbox.attacks.L2PGD(), eps),
        "adv-lib APGD-CE": lambda eps: of_adv_lib("apgd", eps=eps, norm=2, loss_function="ce"),
    },
}


def curves(count: int = 256) -> None:
    """By how many points attacks over-estimate the robust accuracy at most, over ten eps between
    the exact margins' quantiles.
    """
    print(
        f"\nrobust accuracy, K=10, {count} images, box active: points above the exact one, "
        "worst of ten eps, at each logit scale"
    )
    for norm, attacks in BUDGET.items():
        print(f"  {norm:24}" + "".join(f"{scale:8g}" for scale in SCALES))
        for name, build in attacks.items():
            cells = "".join(f"{overestimate(build, norm, scale, count):8.1f}" for scale in SCALES)
            print(f"  {name:24}{cells}", flush=True)
        for name, attacks_of in QUALITIES.items():
            cells = "".join(
                f"{whole_curve(attacks_of(norm), norm, scale, count):8.1f}" for scale in SCALES
            )  # type: ignore[arg-type]
            print(f"  {'advcore, quality ' + name:24}{cells}", flush=True)


def whole_curve(attacks: Sequence[Attack], norm: str, scale: float, count: int) -> float:
    """As `overestimate`, of the curve that the probe `robustness` gives: from all attacks of a
    quality, in one run.
    """
    affine, images, exact, labels, grid = problem(norm, scale, count)
    broken_at = attack_over(attacks, affine, images, labels, grid)[-1].broken_at
    held = torch.tensor(robust_accuracy(broken_at, grid))
    return 100 * max(
        (share - (exact > eps).double().mean()).item()
        for share, eps in zip(held, grid, strict=True)
    )


def overestimate(build: Callable[[float], Run], norm: str, scale: float, count: int) -> float:
    affine, images, exact, labels, grid = problem(norm, scale, count)
    above = []
    for eps in grid:
        found = affine(build(eps)(affine, images.clone(), labels)).argmax(1) != labels
        above.append(((exact <= eps).double().mean() - found.double().mean()).item())
    return 100 * max(above)


def problem(
    norm: str, scale: float, count: int
) -> tuple[nn.Module, Tensor, Tensor, Tensor, list[float]]:
    """An affine classifier, images `(count, 3, 8, 8)` with the box active, their exact margins,
    their labels, ten eps.
    """
    affine, images = boxed.problem(10, scale, True, count=count)
    affine.eval().requires_grad_(False)
    exact = boxed.margins(affine, images, norm)
    grid = exact.quantile(torch.linspace(0.05, 0.95, 10, dtype=exact.dtype)).tolist()
    return affine, images, exact, affine(images).argmax(1), grid


def main() -> None:
    print(f"affine classifiers, 64 images 3 x 8 x 8 ({machine()})")
    minimal_norms("far from the box", ATTACKS, active=False)
    minimal_norms("box active", ATTACKS, active=True)
    minimal_norms("the same images, no box", WITHOUT_BOX, active=True, box=False)
    curves()


if __name__ == "__main__":
    main()
