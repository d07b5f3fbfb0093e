"""HopSkipJump, SurFree, RayS, QFool, Staircase: what they refuse, how close they come."""

import oracles
import pytest
import torch
from attack_table import run

from advcore.attacks import HopSkipJump, QFool, RayS, Staircase, SurFree
from advcore.attacks.decisions.rays import _places
from advcore.attacks.decisions.surfree import _across


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: HopSkipJump(norm="l1"), "norm must be one of l2, linf; got 'l1'"),
        (lambda: HopSkipJump(noises=0), "noises must be at least 1"),
        (lambda: QFool(noises=0), "noises must be at least 1"),
        (lambda: SurFree(memory=-1), "memory must not be negative"),
        (lambda: SurFree(band=0), "band must be at least 1"),
        (lambda: RayS(queries=1), "queries must be at least 2"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("attack", "factor"),
    [
        (HopSkipJump(queries=600), 1.1),
        (HopSkipJump(queries=600, norm="linf"), 1.5),
        (SurFree(queries=600), 1.03),
        (RayS(queries=600), 1.05),
        (QFool(queries=600), 1.12),
        (Staircase(queries=600), 1.001),
        (Staircase(queries=600, band=8), 1.001),
    ],
    ids=repr,
)
def test_comes_close_to_the_margin_of_an_affine_classifier(attack, factor):
    shape = (1, 4, 8)
    affine, images = oracles.Affine(classes=2, shape=shape), oracles.images(8, shape, spread=0.5)
    margins = affine.margins(images, attack.norm)
    result = run(attack, affine, images)
    assert result.found.all()
    assert (result.distance >= margins * (1 - 1e-9)).all()
    assert (result.distance / margins).median() <= factor


def test_directions_of_surfree_are_orthogonal():
    units = list(torch.linalg.qr(torch.randn(2, 16, 3).double()).Q.permute(2, 0, 1))
    way = _across(torch.randn(2, 16).double(), units)
    for unit in units:
        assert (way * unit).sum(1).abs().max() < 1e-12
    torch.testing.assert_close(way.norm(dim=1), torch.ones(2).double())
    assert (_across(units[0], units) == 0).all()


def test_blocks_of_rays_are_runs_of_pixels_with_all_channels():
    places = _places((3, 2, 2))
    assert places[:, 0, 0].tolist() == [0, 1, 2]
    assert places[:, 1, 1].tolist() == [9, 10, 11]
    assert _places((2, 4)).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
