"""Ways onto tangent planes: 1 for affine classifiers, the other class, a ball, refusals."""

import boxed
import oracles
import pytest
import torch

from advcore import norms
from advcore.attacks import FGSM, DeepFool, MinimalNorm, SparseFool
from advcore.classifier import predict
from advcore.probes import Batch, Table, TangentPlane
from advcore.randomness import Randomness
from advcore.tangent_planes import step_to_tangent_plane
from advcore.workers.probe_checks import check_columns

IMAGES = oracles.images(8, spread=0.6)


def _measure(probe, network, images=IMAGES):
    batch = Batch(images, torch.zeros(len(images), dtype=torch.int64), torch.arange(len(images)))
    table = Table(probe.measure(network, batch, Randomness(0, batch.indices)))
    check_columns(table, probe, batch)
    return table


def _of(table, plane, attack):
    return table.take(table.rows_with("plane", plane) & table.rows_with("attack", attack))


@pytest.mark.parametrize(
    ("probe", "name"),
    [
        (TangentPlane((MinimalNorm(norm="l1"),)), "minimal_norm-l1"),
        (TangentPlane((MinimalNorm(norm="linf"),)), "minimal_norm-linf"),
        (
            TangentPlane((MinimalNorm(norm="l1", box=False),), MinimalNorm(box=False)),
            "minimal_norm-l1",
        ),
    ],
)
def test_for_an_affine_classifier_with_two_classes_the_ratio_is_1(probe, name):
    affine = oracles.Affine(2)
    table = _measure(probe, affine)
    for plane in ("boundary", "image"):
        ratio = _of(table, plane, name).numbers("ratio")
        torch.testing.assert_close(ratio, torch.ones(8, dtype=torch.float64), rtol=1e-3, atol=0)
    assert table.numbers("crosses").all()
    scalars = probe.summarise(table).scalars
    assert scalars[f"median_ratio/boundary/{name}"] == pytest.approx(1, abs=1e-3)
    assert scalars["crosses/boundary"] == 1


@pytest.mark.parametrize("in_box", [False, True], ids=["free", "at the walls"])
def test_the_closed_form_is_the_exact_margin_in_the_box(in_box):
    affine, images = boxed.problem(2, 10.0, in_box)
    table = _measure(TangentPlane((SparseFool(overshoot=0.0),)), affine, images)
    torch.testing.assert_close(
        _of(table, "boundary", "sparsefool-l1").numbers("tangent").double(),
        boxed.margins(affine, images, "l1").double(),
        rtol=1e-4,
        atol=1e-6,
    )


def test_the_plane_is_that_of_the_class_that_is_nearest_in_l2():
    affine, images = oracles.Affine(5), oracles.images(12, spread=0.6)
    probe = TangentPlane((MinimalNorm(norm="linf", box=False),), MinimalNorm(box=False))
    nearest = affine.distances(images, "l2").argmin(1, keepdim=True)
    expected = affine.distances(images, "linf").gather(1, nearest)[:, 0]
    rows = _of(_measure(probe, affine, images), "boundary", "minimal_norm-linf")
    torch.testing.assert_close(rows.numbers("tangent"), expected, rtol=1e-4, atol=0)
    assert (expected > affine.margins(images, "linf") * 1.001).any()


def test_inside_a_ball_the_plane_lies_beyond_the_boundary_in_l1():
    """In l2 it touches the boundary; along one coordinate the plane is farther than the ball."""
    center = torch.full((1, 4, 4), 0.5, dtype=torch.float64)
    sphere = oracles.Sphere(0.3, center)
    images = center + 0.1 * torch.nn.functional.normalize(
        torch.ones(1, 16, dtype=torch.float64), dim=1
    ).view(1, 1, 4, 4)
    flat = TangentPlane((MinimalNorm(norm="l2", box=False),), MinimalNorm(box=False))
    ratio = _of(_measure(flat, sphere, images), "boundary", "minimal_norm-l2").numbers("ratio")
    assert ratio.item() == pytest.approx(1, abs=1e-3)
    sparse = TangentPlane((MinimalNorm(norm="l1", box=False),), MinimalNorm(box=False))
    table = _measure(sparse, sphere, images)
    row = _of(table, "boundary", "minimal_norm-l1")
    assert row.numbers("tangent").item() == pytest.approx(0.2 * 4, rel=1e-3)
    assert row.numbers("ratio").item() > 1.5
    # at the image, F = r^2 - |x - c|^2 = .08 and the slope of each of 16 coordinates is .05
    image = _of(table, "image", "minimal_norm-l1")
    assert image.numbers("tangent").item() == pytest.approx(0.08 / 0.05, rel=1e-3)


def test_a_plane_that_the_box_does_not_reach_has_no_length():
    class Far(oracles.Affine):
        def forward(self, images):
            return super().forward(images) + torch.tensor([100.0, 0.0], dtype=images.dtype)

    far = Far(2)
    zero = torch.zeros(8, dtype=torch.int64)
    plane = step_to_tangent_plane(far, IMAGES, IMAGES, zero, zero + 1, norms.L1)
    assert plane.length.isinf().all()
    assert ((IMAGES + plane.steps >= 0) & (IMAGES + plane.steps <= 1)).all()
    assert (predict(far, IMAGES + plane.steps) == 0).all()
    table = _measure(TangentPlane(), oracles.Constant(2.0, 0.0), IMAGES[:2])
    assert table.numbers("ratio").isnan().all()
    assert table.numbers("tangent").isinf().all()


def test_the_chart_has_the_control_beside_each_attack():
    probe = TangentPlane((MinimalNorm(norm="l1"), SparseFool()))
    table = _measure(probe, oracles.Affine(3))
    (chart,) = probe.charts({"affine": table, "none": table.take(torch.arange(0))})
    assert [(series.label, series.thin) for series in chart.series] == [
        ("affine, minimal_norm-l1", False),
        ("affine, minimal_norm-l1, at the image", True),
        ("affine, sparsefool-l1", False),
        ("affine, sparsefool-l1, at the image", True),
    ]
    assert not probe.summarise(table.take(torch.arange(0))).scalars


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: TangentPlane(()), "one or more minimal-norm attacks, each once"),
        (lambda: TangentPlane((FGSM(eps=0.1),)), "needs minimal-norm attacks, .* got fgsm-linf"),
        (lambda: TangentPlane((SparseFool(norm="l0"),)), "share a norm, l1, l2 or linf; got l0"),
        (lambda: TangentPlane((SparseFool(), DeepFool())), "share a norm.*; got l1, l2"),
        (lambda: TangentPlane(point=DeepFool(norm="linf")), "point must be an l2 attack; got deep"),
        (lambda: TangentPlane(point=DeepFool(box=False)), "all keep to the box or none"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
