"""SparseFool: the walk in closed form is the published loop, coordinates run out, l1, l0 and
pixels.
"""

import boxed
import oracles
import pytest
import torch

from advcore import Untargeted
from advcore.attacks import SparseFool, Status
from advcore.attacks.sparsefool import CROSSING


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SparseFool(norm="l2"), "norm must be one of l1, l0, pixels; got 'l2'"),
        (lambda: SparseFool(steps=0), "steps must be at least 1; got 0"),
        (lambda: SparseFool(classes=0), "classes must be at least 1; got 0"),
        (lambda: SparseFool(control=0.5), "control must be finite and at least 1"),
        (lambda: SparseFool(overshoot=-0.1), "overshoot must not be negative; got -0.1"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def _greedy(image, point, normal):
    """One image's walk, coordinate by coordinate: each as far as the hyperplane and a bit, or to
    its wall.
    """
    walked = image.clone()
    for index in normal.abs().argsort(descending=True).tolist():
        gap = -(normal * (walked - point)).sum()
        if gap <= 0:
            break
        walked[index] = (
            walked[index] + normal[index].sign() * (gap + CROSSING) / normal[index].abs()
        ).clamp(0, 1)
    return walked


@pytest.mark.parametrize("share", [0.01, 0.2, 0.6, 2.0])
def test_the_walk_is_the_published_loop(share):
    """To walls, beyond the hyperplane, and where all coordinates do not reach it."""
    generator = torch.Generator().manual_seed(0)
    images = oracles.images(20)
    normal = torch.nn.functional.normalize(
        torch.randn(20, 16, dtype=torch.float64, generator=generator)
    ).view_as(images)
    reach = (normal.abs() * torch.where(normal > 0, 1 - images, images)).flatten(1).sum(1)
    way = normal * (share * reach).view(-1, 1, 1, 1)
    walked = images + SparseFool(control=1.0)._walk(images, way, normal)
    loop = [
        _greedy(image.flatten(), (image + step).flatten(), n.flatten())
        for image, step, n in zip(images, way, normal, strict=True)
    ]
    torch.testing.assert_close(walked.flatten(1), torch.stack(loop))


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("in_box", [False, True], ids=["far", "box"])
def test_it_is_exact_for_two_classes_up_to_overshoot_and_crossing(scale, in_box):
    affine, images = boxed.problem(2, scale, in_box)
    result = SparseFool(overshoot=0.0)(affine, images, Untargeted(affine(images).argmax(1)))
    exact = boxed.margins(affine, images, "l1")
    assert result.found.all()
    assert (result.distance >= exact * (1 - 1e-4)).all()
    assert (
        result.distance <= exact * (1 + 1e-4) + 0.02
    ).all()  # the crossing, over the slope of the coordinate that makes it


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_it_succeeds_in_the_box_with_few_coordinates(classes):
    affine, images = boxed.problem(classes, 10.0, True)
    result = SparseFool(norm="l0")(affine, images, Untargeted(affine(images).argmax(1)))
    assert result.found.all()
    assert (result.distance.double() / boxed.margins(affine, images, "l0")).median() == 1


def test_the_norm_is_what_is_counted():
    network, images = oracles.relu(shape=(3, 4, 4)), oracles.images(8, (3, 4, 4))
    labels = Untargeted(network(images).argmax(1))
    l1, l0, pixels = (
        SparseFool(norm=norm)(network, images, labels) for norm in ("l1", "l0", "pixels")
    )
    assert torch.equal(l1.images, l0.images)
    assert torch.equal(l1.images, pixels.images)
    changed = l1.images != images
    assert torch.equal(l0.distance[l0.found], changed.flatten(1).sum(1).double()[l0.found])
    assert torch.equal(
        pixels.distance[l0.found], changed.any(1).flatten(1).sum(1).double()[l0.found]
    )
    assert (pixels.distance < l0.distance).any()


def test_what_the_box_does_not_let_through_is_not_found():
    """The second class wins only outside of the box: all coordinates go to their walls, and nothing
    loops.
    """

    def classifier(images):
        return torch.stack([torch.full_like(images[:, 0, 0, 0], 17.0), images.flatten(1).sum(1)], 1)

    images = oracles.images(3)
    result = SparseFool(steps=3)(classifier, images, Untargeted(torch.zeros(3, dtype=torch.int64)))
    assert (result.status == Status.FAILED).all()
    torch.testing.assert_close(result.images, torch.ones_like(images))


def test_a_larger_control_takes_fewer_iterations_and_longer_ways():
    network, images = oracles.softplus(), oracles.images(20)
    labels = Untargeted(network(images).argmax(1))
    short, long = (
        SparseFool()(network, images, labels),
        SparseFool(control=3.0)(network, images, labels),
    )
    both = short.found & long.found
    assert both.any()
    assert short.distance[both].median() < long.distance[both].median()
    assert long.queries.sum() < short.queries.sum()
