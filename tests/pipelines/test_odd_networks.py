"""Networks of people's own in a study: what is measured, warned of, or refused before any work."""

from pathlib import Path
from typing import Any

import pytest
from studies import study_of

from advcore.pipelines.graph.running.driver import run_study
from advcore.workers.errors import InputError

CODE = """
import torch
from torch import nn
from advcore.networks import perceptron

class Wrapped(nn.Module):
    def __init__(self, network, forward):
        super().__init__()
        self.network, self.way = network, forward

    def forward(self, images):
        return self.way(self.network, images)

def batch():
    mixing = nn.BatchNorm2d(4, track_running_stats=False)
    return nn.Sequential(nn.Conv2d(1, 4, 3), mixing, nn.Flatten(), nn.LazyLinear(10)).eval()

def made(network):
    network(torch.zeros(2, 1, 8, 8))
    return network

def mixing(): return made(batch())
def noisy(): return Wrapped(perceptron(10), lambda net, x: net(x + 0.3 * torch.randn_like(x)))
def detached(): return Wrapped(perceptron(10), lambda net, x: net(x).detach())
def rounded(): return Wrapped(perceptron(10), lambda net, x: net((4 * x).round() / 4))
def tuples(): return Wrapped(perceptron(10), lambda net, x: (net(x), x))
def compiled(): return torch.compile(perceptron(10))
def half(): return perceptron(10).half()
def plain(): return perceptron(10)
"""


@pytest.fixture
def odd(tiny: dict[str, Any], place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (place / "odd_networks.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(place))
    return {
        **tiny,
        "probes": {"curvature": {"kind": "curvature", "spectrum": "top", "top": 2}},
        "claims": {},
    }


def measured(odd: dict[str, Any], *names: str) -> Any:
    return run_study(
        study_of(
            {**odd, "models": {name: {"architecture": f"odd_networks:{name}"} for name in names}}
        )
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mixing", r"model mixing .*track_running_stats=False\), so that rows would depend"),
        ("tuples", "got a tuple of 2"),
    ],
)
def test_refused_before_any_work(odd: dict[str, Any], name: str, message: str, place: Path) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        measured(odd, name)
    assert "\n" not in str(refusal.value)
    assert not list(place.rglob("*.parquet"))


def test_no_gradient_is_a_warning_of_every_probe(odd: dict[str, Any], place: Path) -> None:
    warnings = measured(odd, "detached", "rounded", "plain").warnings
    assert set(warnings["zero_gradients"]) == {"detached/curvature", "rounded/curvature"}
    assert (
        "**warning**, detached, zero_gradients: the gradient of the logits is exactly 0"
        in next(place.rglob("report.md")).read_text()
    )


def test_compiled_and_half_networks_are_measured_as_the_plain_one(odd: dict[str, Any]) -> None:
    summaries = measured(odd, "compiled", "half", "plain", "noisy").summaries["curvature"]
    plain = summaries["plain"].scalars
    assert summaries["compiled"].scalars == pytest.approx(plain, nan_ok=True)
    assert summaries["half"].scalars == pytest.approx(plain, rel=0.05, nan_ok=True)
