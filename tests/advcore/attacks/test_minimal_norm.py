"""The tight attack: exact where exactness exists, never longer than the others, and it counts what
it spends.
"""

import boxed
import oracles
import pytest
import torch

from advcore import Untargeted, norms
from advcore.attacks import Bisected, DeepFool, MinimalNorm, Status
from advcore.attacks.refinement import AttackedSamples, refine, shrink_to_boundary


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("box", [True, False])
@pytest.mark.parametrize(("norm", "most"), [("l2", 1.01), ("linf", 1.01), ("l1", 1.1)])
def test_it_is_exact_on_affine_classifiers(
    classes: int, scale: float, box: bool, norm: str, most: float
) -> None:
    affine, images = boxed.problem(classes, scale, box)
    exact = boxed.margins(affine, images, norm, box)
    result = MinimalNorm(norm=norm, box=box)(affine, images, Untargeted(affine(images).argmax(1)))
    reachable = torch.isfinite(exact)
    assert result.found[reachable].all()
    ratio = result.distance[reachable].double() / exact[reachable]
    assert ratio.median() <= 1.0005
    assert ratio.max() <= most
    assert ratio.min() >= 1 - 1e-3


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_it_is_mostly_shorter_than_bisected_deepfool_on_a_relu_network(norm: str) -> None:
    network, images = oracles.relu(), oracles.images(40)
    criterion = Untargeted(network(images).argmax(1))
    tight = MinimalNorm(norm=norm)(network, images, criterion)
    loose = Bisected(DeepFool(norm=norm))(network, images, criterion)
    assert tight.found.all()
    assert (tight.distance <= loose.distance * (1 + 1e-3)).double().mean() >= 0.9
    assert tight.distance.median() < loose.distance.median()


def test_refinement_shortens_every_sample_or_leaves_it() -> None:
    network, images = oracles.relu(), oracles.images(30)
    criterion = Untargeted(network(images).argmax(1))
    found = DeepFool()(network, images, criterion)
    attacked = AttackedSamples.of(network, images, criterion, network(images).detach())
    way = shrink_to_boundary(attacked, found.images - images)
    shorter = refine(norms.L2, attacked, way, 10, box=True)
    before, after = norms.L2.size(way), norms.L2.size(shorter)
    assert (after <= before * (1 + 1e-6)).all()
    assert after.mean() < before.mean()
    assert criterion.holds(network(images + shorter)).all()


def test_more_refinement_is_never_longer() -> None:
    network, images = oracles.relu(), oracles.images(30)
    criterion = Untargeted(network(images).argmax(1))
    distances = [
        MinimalNorm(refinement=turns)(network, images, criterion).distance for turns in (0, 5, 20)
    ]
    assert (distances[1] <= distances[0] * (1 + 1e-6)).all()
    assert (distances[2] <= distances[1] * (1 + 1e-6)).all()


def test_a_box_without_a_way_out_is_said_to_have_failed() -> None:
    """One class leads everywhere in the box."""

    def leads(images: torch.Tensor) -> torch.Tensor:
        return torch.stack([100 + images.flatten(1).sum(1), -images.flatten(1).sum(1)], 1)

    images = oracles.images(5)
    result = MinimalNorm()(leads, images, Untargeted(torch.zeros(5, dtype=torch.long)))
    assert (result.status == Status.FAILED).all()
    assert torch.isinf(result.distance).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"descent": 0}, "descent must be at least 1"),
        ({"classes": 0}, "classes must be at least 1"),
        ({"refinement": -1}, "refinement must not be negative"),
        ({"norm": "l3"}, "norm must be one of"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MinimalNorm(**settings)
