"""Main effects against their closed forms, of orthogonal designs and of others."""

import itertools

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import Numbers
from advcore.pipelines.tables import MainEffects, Part

NUMBER = Numbers(probe="accuracy", column="correct", statistic="mean")
GRID = dict(zip("abcdefgh", itertools.product((-1, 1), repeat=3), strict=True))
HIGH = {
    name: tuple(own for own, signs in GRID.items() if signs[place] > 0)
    for place, name in enumerate(("wide", "deep", "smooth"))
}
ROUNDS = 40


def part(name, value):
    rows = {"sample": torch.arange(ROUNDS), "correct": torch.full((ROUNDS,), value).double()}
    return Part("accuracy", {"net": name}, rows)


def parts(number):
    return [part(name, number(*signs)) for name, signs in GRID.items()]


def effects(number, high=HIGH):
    return MainEffects(NUMBER, "net", high).rows(parts(number))


def test_the_effect_is_the_difference_of_the_halves_means():
    """The interaction of two factors is the scatter: t of 4 degrees of freedom by hand."""
    found = effects(lambda wide, deep, smooth: 0.5 + 0.1 * wide - 0.03 * deep + 0.01 * wide * deep)
    assert found["factor"] == list(HIGH)
    expected = torch.tensor([0.2, -0.06, 0.0]).double()
    torch.testing.assert_close(found["effect"], expected, atol=1e-6, rtol=0)
    margin = torch.full((3,), 2.7764451 * np.sqrt(8 * 0.01**2 / 4 * 4 / 8)).double()
    for end in (found["effect_high"], 2 * found["effect"] - found["effect_low"]):
        torch.testing.assert_close(end - found["effect"], margin, atol=1e-6, rtol=0)
    total = 0.1**2 + 0.03**2 + 0.01**2
    shares = torch.tensor([0.1**2, 0.03**2, 0.0]).double() / total
    torch.testing.assert_close(found["share"], shares, atol=1e-6, rtol=0)
    assert found["p"][0] < 0.05 < found["p"][2]
    assert found["networks"].tolist() == [8.0] * 3


def test_a_network_less_is_least_squares():
    """Then no half's mean is the effect, but a number without scatter still is."""
    few = [own for own in parts(lambda a, b, c: 0.5 + 0.1 * a + 0.05 * b) if own.at["net"] != "h"]
    high = {name: tuple(own for own in names if own != "h") for name, names in HIGH.items()}
    found = MainEffects(NUMBER, "net", high).rows(few)
    torch.testing.assert_close(
        found["effect"], torch.tensor([0.2, 0.1, 0.0]).double(), atol=1e-6, rtol=0
    )


def test_p_of_noise_is_spread_evenly():
    generator = np.random.default_rng(0)
    found = [effects(lambda *_: float(generator.normal()))["p"][0].item() for _ in range(30)]
    assert 0.3 < np.mean(found) < 0.7


def test_designs_that_tell_nothing_are_refused():
    alike = {**HIGH, "again": HIGH["wide"]}
    with pytest.raises(LookupError, match="8 networks cannot tell 4 factors apart"):
        effects(lambda *_: 0.5, alike)
    with pytest.raises(LookupError, match="at net=z"):
        effects(lambda *_: 0.5, {"wide": ("z",)})
    twice = [*parts(lambda *_: 0.5), part("a", 0.4)]
    with pytest.raises(LookupError, match="several members at net=a"):
        MainEffects(NUMBER, "net", HIGH).rows(twice)
    with pytest.raises(ValueError, match="high needs a factor"):
        MainEffects(NUMBER, "net", {})


def test_a_network_without_a_finite_number_is_refused():
    with pytest.raises(LookupError, match="correct at net=h is inf: an effect is of finite"):
        effects(lambda *signs: np.inf if sum(signs) == 3 else 0.5)
