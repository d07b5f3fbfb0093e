"""Minimal-norm attacks where the distance is known: affine classifiers, the sphere, the boundary
itself.
"""

import oracles
import pytest
import torch
from attack_table import COUNT, EXACT, run

from advcore import Targeted, Untargeted
from advcore.attacks import (
    Bisected,
    DeepFool,
)
from advcore.attacks.attack import norm_of


@pytest.mark.parametrize("attack", EXACT, ids=repr)
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("scale", [0.01, 1.0, 1000.0])
def test_minimal_norm_attacks_are_exact_on_affine_classifiers(attack, classes, scale):
    affine, images = oracles.Affine(classes=classes, scale=scale), oracles.images(20, spread=0.3)
    result = run(attack, affine, images)
    exact = affine.margins(images, norm_of(attack))
    assert result.found.all()
    factor = 1 + getattr(attack, "overshoot", 0)
    torch.testing.assert_close(
        result.distance, factor * exact, rtol=1e-4 if factor == 1 else 1e-9, atol=0
    )


@pytest.mark.parametrize("attack", EXACT, ids=repr)
def test_targeted_minimal_norm_attacks_are_exact_for_two_classes(attack):
    affine, images = oracles.Affine(classes=2), oracles.images(20, spread=0.3)
    result = run(attack, affine, images, Targeted(1 - affine(images).argmax(1)))
    factor = 1 + getattr(attack, "overshoot", 0)
    torch.testing.assert_close(
        result.distance, factor * affine.margins(images, norm_of(attack)), rtol=1e-4, atol=0
    )


@pytest.mark.parametrize(
    "attack", [DeepFool(box=False), Bisected(DeepFool(box=False), steps=20)], ids=repr
)
def test_deepfool_reaches_the_sphere_from_both_sides(attack):
    center = torch.full((1, 4, 4), 0.5, dtype=torch.float64)
    images = oracles.images(20, spread=0.9)
    sphere = oracles.Sphere((images - center).flatten(1).norm(dim=1).median().item() * 1.1, center)
    result = run(attack, sphere, images)
    exact = sphere.margins(images)
    assert result.found.all()
    assert (result.distance >= exact * (1 - 1e-9)).all()
    if isinstance(attack, Bisected):  # its direction is radial, hence right
        torch.testing.assert_close(result.distance, exact, rtol=1e-5, atol=1e-5)
    outside = sphere(images)[:, 0] < 0  # Newton's steps come from outside and do not overshoot
    assert outside.any()
    assert not outside.all()
    assert (result.distance <= 1.02 * exact + 2e-4)[outside].all()  # 1e-4 is the shortest step


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (Bisected(DeepFool(), steps=20), DeepFool()),
        (Bisected(DeepFool(norm="linf"), steps=20), DeepFool(norm="linf")),
    ],
)
def test_bisected_is_never_longer_and_lies_on_the_boundary(outer, inner):
    network, images = oracles.relu(), oracles.images(COUNT)
    drawn, plain = run(outer, network, images), run(inner, network, images)
    assert (drawn.distance <= plain.distance * (1 + 1e-9)).all()
    assert (drawn.distance < plain.distance).any()
    inside = images + (1 - 1e-5) * (drawn.images - images)
    assert not Untargeted(network(images).argmax(1)).holds(network(inside)).any()
