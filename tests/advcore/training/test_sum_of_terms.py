"""Any two terms, in any order, on a network with batch normalisation: the gradient is that of the
sum.
"""

from dataclasses import MISSING, fields, replace
from functools import cache
from typing import Any

import oracles
import pytest
import torch
from torch import Tensor, nn

from advcore.attacks import PGD
from advcore.randomness import Randomness
from advcore.rectangle import Rectangle
from advcore.tasks import Angle
from advcore.training import (
    DROCC,
    RLAT,
    TERMS,
    VAT,
    RandomColour,
    SmoothAdv,
    Term,
    freelb,
    gradient_alignment,
    weight_perturbation,
)
from advcore.training.term import prepared, values_of_steps

IMAGES, LABELS, SOURCE = oracles.images(6), torch.arange(6) % 3, Randomness(0, torch.arange(6))
NEEDED: dict[str, Any] = {
    "augmentation": RandomColour(),
    "eps": 0.1,
    "attack": PGD(eps=0.1, steps=2),
    "task": Angle(),
    "irrelevant": Rectangle(top=0, left=0, height=2, width=2),
    "entries": (0, 5),
    "radius": 1.0,
}
"""The fields of terms that have no default."""
STEP = 1e-6


def _term(kind: str) -> Term:
    wanted = {
        entry.name: NEEDED[entry.name] for entry in fields(TERMS[kind]) if entry.default is MISSING
    }
    term = TERMS[kind](**wanted, weight=0.5)
    return replace(term, steps=2) if hasattr(term, "steps") else term


def _network() -> nn.Module:
    """In training mode, its statistics far from those of the batch; bounds are known of ReLU."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)
    ).double()
    network[1].running_mean.uniform_(-1, 1)
    network[1].running_var.uniform_(0.1, 0.5)
    return network


def _sum(kinds: tuple[str, ...], shift: float = 0.0) -> tuple[Tensor, nn.ModuleDict]:
    """The sum of terms at weights that are moved along fixed ones, those that terms bring standing
    still; and all networks.
    """
    network = _network()
    objective = {f"{place}-{kind}": _term(kind) for place, kind in enumerate(kinds)}
    networks = prepared(objective, network)
    with torch.no_grad():
        for parameter, way in zip(network.parameters(), _way(network), strict=True):
            parameter += shift * way
    values = next(values_of_steps(objective, networks, IMAGES, LABELS, SOURCE))
    total = torch.stack([objective[name].weight * value for name, value in values.items()]).sum()
    return total, nn.ModuleDict({"own": network, **networks})


def _way(network: nn.Module) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [
        torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)
        for parameter in network.parameters()
    ]


def _value_and_slope(*kinds: str) -> tuple[float, float]:
    """The sum of terms, and its derivative by the gradient."""
    total, networks = _sum(kinds)
    gradients = torch.autograd.grad(
        total, list(networks["own"].parameters()), materialize_grads=True
    )
    return total.item(), sum(
        (one * way).sum().item() for one, way in zip(gradients, _way(networks["own"]), strict=True)
    )


def _once(function: Any) -> Any:
    """The function, which gives what it gave when it was called first."""
    constants: list[Any] = []

    def constant(*arguments: Any) -> Any:
        if not constants:
            constants.append(function(*arguments))
        return constants[0]

    return constant


@cache
def _central_difference(kind: str) -> float:
    """The derivative of one term without any gradient in the weights.

    What a term takes for a constant of the step is one.
    """
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (gradient_alignment, "differentiate"),
            (RLAT, "perturbations"),
            (SmoothAdv, "perturbed"),
            (weight_perturbation, "ascent_of_weights"),
            (VAT, "constants"),
            (DROCC, "perturbations"),
            (freelb, "input_gradient"),
        ):
            patch.setattr(owner, name, _once(getattr(owner, name)))
        _, after, before = (_sum((kind,), shift)[0].item() for shift in (0.0, STEP, -STEP))
    return (after - before) / (2 * STEP)


@pytest.mark.parametrize("first", TERMS)
def test_the_gradient_is_that_of_the_sum_whatever_the_order(first):
    value, slope = _value_and_slope(first)[0], _central_difference(first)
    assert _value_and_slope(first)[1] == pytest.approx(slope, rel=1e-5)
    for second in TERMS:
        expected = value + _value_and_slope(second)[0], slope + _central_difference(second)
        for kinds in ((first, second), (second, first)):
            assert _value_and_slope(*kinds) == pytest.approx(expected, rel=1e-5), kinds
