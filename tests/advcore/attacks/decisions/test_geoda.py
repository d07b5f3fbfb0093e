"""GeoDA: what it refuses, its plan, how close it comes where the answer is known."""

import oracles
import pytest
import torch
from attack_table import run

from advcore.attacks import GeoDA
from advcore.attacks.decisions.geoda import planned_noises


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: GeoDA(norm="l0"), "norm must be one of l1, l2, linf; got 'l0'"),
        (lambda: GeoDA(queries=1), "queries must be at least 2"),
        (lambda: GeoDA(band=0), "band must be at least 1"),
        (lambda: GeoDA(sigma=0.0), "sigma must be positive"),
        (lambda: GeoDA(noise="pink"), "noise must be one of normal, orthogonal; got 'pink'"),
        (lambda: GeoDA(step="jump"), "step must be one of ray, circle; got 'jump'"),
        (lambda: GeoDA(step="circle", norm="linf"), "step circle needs norm l2; got linf"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_the_plan_grows_as_published():
    plan = planned_noises(torch.tensor([1000, 4000, 40]))
    counts = plan[0, :6]
    assert 50 <= counts[0] <= 80
    assert 850 - 10 < counts.sum() <= 1000 - 6 * 25
    assert (plan[0, 6:] == 1000).all()
    ratios = counts[1:] / counts[:-1]
    torch.testing.assert_close(ratios, torch.full((5,), 1.406), rtol=0.03, atol=0)
    assert 50 <= plan[1, 0] <= 80
    assert (plan[2] == 40).all()


@pytest.mark.parametrize(
    ("attack", "factor"),
    [
        (GeoDA(queries=600), 1.06),
        (GeoDA(queries=600, step="circle"), 1.04),
        (GeoDA(queries=600, noise="normal"), 1.08),
        (GeoDA(queries=600, norm="linf"), 1.15),
        (GeoDA(queries=1500, norm="l1"), 1.3),
    ],
    ids=repr,
)
def test_comes_close_to_the_margin_of_an_affine_classifier(attack, factor):
    affine, images = (
        oracles.Affine(classes=2, shape=(1, 4, 8)),
        oracles.images(8, (1, 4, 8), spread=0.5),
    )
    margins = affine.margins(images, attack.norm)
    result = run(attack, affine, images)
    assert result.found.all()
    assert (result.distance >= margins * (1 - 1e-9)).all()
    assert (result.distance / margins).median() <= factor
