"""Margins in subspaces against closed forms, and against a slow loop over samples, subspaces and
classes.
"""

import oracles
import pytest
import torch

from advcore import Untargeted, margins, subspaces
from advcore.attacks import PGD, Bisected, DeepFool, MinimalNorm, Rounded, Worst
from advcore.margins import MarginStatus

SHAPE = (1, 8, 8)
FAMILY = subspaces.dct_blocks(8, size=3, stride=1)
BASES = [oracles.dct_basis(8, low, 3) for low in range(6)]


def _subspace_deepfool(network, image, basis, steps=100, overshoot=0.02, classes=9):
    """One sample, one basis Q (D, d): the published algorithm, step by step."""
    with torch.no_grad():
        first, *others = (
            network(image[None])[0]
            .topk(min(classes + 1, network(image[None]).shape[1]))
            .indices.tolist()
        )
    r = torch.zeros(image.numel(), dtype=image.dtype)
    for _ in range(steps):
        point = (image.flatten() + r).requires_grad_()
        logits = network(point.view(1, *image.shape))[0]
        nearest, step = torch.inf, None
        for k in others:
            w = torch.autograd.grad(logits[k] - logits[first], point, retain_graph=True)[0]
            projected = basis @ (basis.mT @ w)
            distance = ((logits[k] - logits[first]).abs() / projected.norm()).item()
            if distance < nearest:
                nearest, step = distance, max(distance, 1e-4) * projected / projected.norm()
        r = r + step
        with torch.no_grad():
            if (
                network((image.flatten() + (1 + overshoot) * r).view(1, *image.shape)).argmax()
                != first
            ):
                return (1 + overshoot) * r.norm().item()
    return torch.inf


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("shape", "channels"), [((1, 8, 8), 1), ((3, 8, 8), 3)])
def test_affine_classifiers_are_exact_in_every_block(classes, shape, channels):
    affine, images = oracles.Affine(classes, shape), oracles.images(7, shape)
    result = margins.margins(affine, images, subspaces.dct_blocks(8, 3, 1, channels))
    exact = torch.stack(
        [affine.margins(images, basis=oracles.dct_basis(8, low, 3, channels)) for low in range(6)]
    )
    torch.testing.assert_close(result.distance, 1.02 * exact, rtol=1e-9, atol=0)
    assert result.found.all()
    assert (result.status == MarginStatus.FOUND).all()


@pytest.mark.parametrize(
    "network", [oracles.relu(shape=SHAPE), oracles.softplus(shape=SHAPE)], ids=["relu", "softplus"]
)
def test_margins_equal_the_slow_loop(network):
    images = oracles.images(8, SHAPE)
    fast = margins.margins(network, images, FAMILY).distance
    slow = torch.tensor(
        [[_subspace_deepfool(network, image, basis) for image in images] for basis in BASES],
        dtype=torch.float64,
    )
    assert torch.equal(torch.isfinite(fast), torch.isfinite(slow))
    finite = torch.isfinite(slow)
    assert finite.double().mean() > 0.8
    errors = (fast / slow - 1).abs()[finite]
    assert errors.median() < 1e-4
    assert errors.quantile(0.9) < 1e-4


def test_one_competitor_adds_up_over_a_disjoint_tiling():
    """The blocks of both diagonals tile the 2 x 2 quarters of the spectrum; 1 / m^2 of two classes
    adds up over them all.
    """
    affine, images = oracles.Affine(2), oracles.images(5)
    quarters = [
        torch.stack([oracles.dct_basis(4, 0, 4)[:, 4 * a + b] for a in rows for b in columns], 1)
        for rows in ((0, 1), (2, 3))
        for columns in ((0, 1), (2, 3))
    ]
    whole = affine.margins(images)
    parts = torch.stack([affine.margins(images, basis=basis) for basis in quarters])
    torch.testing.assert_close(parts.pow(-2).sum(0), whole.pow(-2))
    diagonal = margins.margins(affine, images, subspaces.dct_blocks(4, 2, 2)).distance / 1.02
    torch.testing.assert_close(diagonal, parts[[0, 3]])


@pytest.mark.parametrize("rows", [1, 7, 48, 1000])
def test_rows_change_memory_alone(rows):
    network, images = oracles.relu(shape=SHAPE), oracles.images(8, SHAPE)
    whole, cut = (
        margins.margins(network, images, FAMILY),
        margins.margins(network, images, FAMILY, rows=rows),
    )
    torch.testing.assert_close(cut.distance, whole.distance, rtol=1e-9, atol=0)
    assert torch.equal(cut.status, whole.status)


def test_a_smaller_batch_gives_its_columns():
    network, images = oracles.relu(shape=SHAPE), oracles.images(8, SHAPE)
    whole, part = (
        margins.margins(network, images, FAMILY),
        margins.margins(network, images[2:5], FAMILY),
    )
    torch.testing.assert_close(part.distance, whole.distance[:, 2:5], rtol=1e-9, atol=0)


def test_a_larger_subspace_has_a_smaller_margin():
    affine, images = oracles.Affine(shape=SHAPE), oracles.images(8, SHAPE)
    widths = [
        margins.margins(affine, images, subspaces.dct_blocks(8, size, 8)).distance[0]
        for size in (1, 3, 8)
    ]
    assert (widths[0] > widths[1]).all()
    assert (widths[1] > widths[2]).all()
    torch.testing.assert_close(widths[2], 1.02 * affine.margins(images))


def test_the_attack_can_be_replaced():
    affine, images = oracles.Affine(shape=SHAPE), oracles.images(4, SHAPE)
    result = margins.margins(affine, images, FAMILY, Bisected(DeepFool(box=False), steps=20))
    exact = torch.stack([affine.margins(images, basis=basis) for basis in BASES])
    torch.testing.assert_close(result.distance, exact, rtol=1e-5, atol=0)


def test_single_precision():
    affine, images = (
        oracles.Affine(shape=SHAPE, dtype=torch.float32),
        oracles.images(4, SHAPE, torch.float32),
    )
    exact = torch.stack([affine.double().margins(images.double(), basis=basis) for basis in BASES])
    result = margins.margins(affine.float(), images, FAMILY).distance
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.double(), 1.02 * exact, rtol=1e-4, atol=0)


def test_a_dead_subspace_is_inf_not_nan():
    result = margins.margins(oracles.Constant(1.0, 0.5, -2.0), oracles.images(3, SHAPE), FAMILY)
    assert torch.isinf(result.distance).all()
    assert not result.found.any()
    assert (result.status == MarginStatus.DEAD).all()


def test_the_model_is_left_alone():
    network = oracles.Moody(shape=SHAPE)
    before = oracles.state(network)
    margins.margins(network, oracles.images(3, SHAPE), FAMILY)
    assert oracles.state(network) == before


def test_images_outside_the_box_are_refused():
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        margins.margins(oracles.Affine(shape=SHAPE), 255 * oracles.images(2, SHAPE), FAMILY)


@pytest.mark.parametrize(
    "attack",
    [
        DeepFool(norm="linf", box=False),
        DeepFool(),
        PGD(norm="l2"),
        Bisected(DeepFool()),
        Worst((DeepFool(box=False), DeepFool())),
        Rounded(DeepFool(box=False)),
    ],
    ids=["linf", "box", "budget", "wrapped-box", "one-of-two-boxed", "rounded-into-the-box"],
)
def test_other_attacks_are_refused(attack):
    with pytest.raises(ValueError, match="margins need a minimal-norm l2 attack without a box"):
        margins.margins(oracles.Affine(shape=SHAPE), oracles.images(2, SHAPE), FAMILY, attack)


def test_minimal_perturbations_of_images_anywhere():
    affine, images = oracles.Affine(shape=SHAPE), 3 * oracles.images(6, SHAPE) - 1
    result = margins.minimal_perturbations(affine, images)
    torch.testing.assert_close(result.distance, 1.02 * affine.margins(images))
    torch.testing.assert_close(result.images.flatten(1).norm(dim=1), result.distance)
    assert (affine(images + result.images).argmax(1) != affine(images).argmax(1)).all()
    exact = margins.minimal_perturbations(
        affine, images, Bisected(DeepFool(box=False), steps=20)
    ).distance
    torch.testing.assert_close(exact, affine.margins(images), rtol=1e-5, atol=0)
    with pytest.raises(ValueError, match="without a box"):
        margins.minimal_perturbations(affine, images, DeepFool())


def test_a_worst_of_attacks_without_a_box_passes():
    margins.check_attack(Worst((DeepFool(box=False), Bisected(DeepFool(box=False)))))


def test_margins_beyond_the_search_radius_are_censored():
    affine, images = oracles.Affine(shape=SHAPE), oracles.images(20, SHAPE)
    whole = margins.margins(affine, images, FAMILY)
    radius = whole.distance.quantile(0.5).item()  # half way between two of them
    cut = margins.margins(affine, images, FAMILY, radius=radius)
    beyond = whole.distance > radius
    assert torch.equal(cut.found, ~beyond)
    torch.testing.assert_close(cut.distance[~beyond], whole.distance[~beyond], rtol=1e-9, atol=0)
    assert (cut.distance[beyond] == torch.inf).all()
    assert (cut.status[beyond] == MarginStatus.CENSORED).all()
    with pytest.raises(ValueError, match="radius must be positive, in pixel units; got -1"):
        margins.margins(affine, images, FAMILY, radius=-1)


def test_an_attack_that_runs_out_of_steps_is_censored_not_dead():
    network, images = oracles.relu(shape=SHAPE), oracles.images(8, SHAPE)
    short = margins.margins(network, images, FAMILY, DeepFool(box=False, steps=1, overshoot=0.0))
    assert (~short.found).any()
    assert (short.status[~short.found] == MarginStatus.CENSORED).all()


@pytest.mark.parametrize(
    "attack",
    [DeepFool(box=False), MinimalNorm(box=False), Bisected(DeepFool(box=False, classes=4))],
    ids=repr,
)
def test_the_shared_linearisation_changes_nothing_but_the_passes(attack):
    network, images = oracles.relu(classes=12, shape=SHAPE), oracles.images(8, SHAPE)
    sent = []

    def counting(images):
        sent.append(len(images))
        return network(images)

    shared = margins.margins(counting, images, FAMILY, attack)
    labels, passes = network(images).argmax(1), sum(sent)
    sent.clear()
    for position in range(len(FAMILY)):
        restricted = subspaces.Restricted(counting, images, FAMILY[position])
        alone = attack(restricted, images.new_zeros(8, FAMILY.dim), Untargeted(labels))
        torch.testing.assert_close(shared.distance[position], alone.distance, rtol=1e-6, atol=1e-9)
    assert passes < sum(sent)


def test_a_subspace_that_the_network_does_not_see_is_dead_in_single_precision():
    inner, images = (
        oracles.relu(shape=SHAPE, dtype=torch.float32),
        oracles.images(9, SHAPE, torch.float32),
    )
    block = FAMILY[5]

    def blind(images):
        return inner(images - block.lift(block.coordinates(images)))

    result = margins.margins(blind, images, FAMILY)
    assert (result.status[5] == MarginStatus.DEAD).all()
    assert (result.distance[5] == torch.inf).all()
    assert (result.status[0] == MarginStatus.FOUND).any()
