"""The divergence of views against scipy, and the term's value and gradient."""

import oracles
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from weight_slopes import check_gradient

from advcore.box import needs_box
from advcore.randomness import Randomness
from advcore.training import (
    AUGMENTATIONS,
    PRIME,
    AugMix,
    CrossEntropy,
    HorizontalFlip,
    JensenShannon,
    Recipe,
    fit,
)
from advcore.training.jensen_shannon import divergence

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.arange(6))


def test_two_views_are_at_scipys_distance_squared():
    logits = 5 * torch.randn(
        2, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    expected = jensenshannon(*logits.softmax(2).numpy(), axis=1) ** 2
    torch.testing.assert_close(divergence(logits.log_softmax(2)), torch.from_numpy(expected))


def test_equal_views_do_not_differ_and_certain_ones_stay_finite():
    same = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0)).log_softmax(2)
    assert divergence(same.expand(3, 5, 4)).abs().max() < 1e-6
    apart = torch.tensor([[[1e4, 0.0]], [[0.0, 1e4]]]).log_softmax(2)
    assert divergence(apart).item() == pytest.approx(torch.log(torch.tensor(2.0)).item())


@pytest.mark.parametrize("augmentation", [AugMix(), PRIME(), HorizontalFlip()], ids=repr)
def test_the_term_is_the_mean_divergence_of_the_image_and_its_views(augmentation):
    network = oracles.softplus()
    views = [IMAGES] + [augmentation(IMAGES, SOURCE.stream("view", view)) for view in (0, 1)]
    assert not torch.equal(views[1], views[2])

    def value():
        p = torch.stack([network(view).softmax(1) for view in views])
        return (p * (p / p.mean(0)).log()).sum(2).mean()

    term = JensenShannon(augmentation)
    check_gradient(network, term(network, IMAGES, LABELS, SOURCE), value)
    assert needs_box(term) == (augmentation != HorizontalFlip())


@pytest.mark.parametrize("augmentation", [own() for own in AUGMENTATIONS.values()], ids=repr)
def test_in_bfloat16_the_views_stay_as_they_are(augmentation):
    seen = []

    class Noted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = oracles.softplus().float()

        def forward(self, images):
            seen.append(images)
            return self.inner(images)

    images, term = IMAGES.float(), JensenShannon(augmentation)
    network = Noted()
    exact = term(network, images, LABELS, SOURCE)
    with torch.autocast("cpu", torch.bfloat16):
        value = term(network, images, LABELS, SOURCE)
    assert torch.equal(*seen)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, exact, rtol=0.1, atol=1e-4)


def test_a_training_brings_the_views_together():
    """Cross-entropy falls with either weight, and the heavier term leaves less divergence."""
    images = oracles.images(60)
    labels = oracles.Affine(4)(images).argmax(1)
    ends = []
    for weight in (1e-3, 12.0):
        views = JensenShannon(PRIME(width=1, depth=1), weight=weight)
        recipe = Recipe(
            {"clean": CrossEntropy(), "views": views},
            augmentation=(AugMix(width=1, depth=1),),
            optimiser="adam",
            learning_rate=0.05,
            epochs=6,
            batch_size=30,
        )
        first, *_, last = fit(oracles.softplus(), images, labels, recipe)
        assert last.loss < 0.95 * first.loss
        ends.append(last.terms["views"])
    assert ends[1] < 0.5 * ends[0]


def test_settings():
    with pytest.raises(ValueError, match="views must be at least 1, beside the image; got 0"):
        JensenShannon(views=0)
    with pytest.raises(ValueError, match=r"weight must not be negative"):
        JensenShannon(weight=-1)
    flat, recipe = torch.rand(8, 6), Recipe({"views": JensenShannon()}, epochs=1)
    with pytest.raises(ValueError, match=r"objective.views.augmentation, AugMix.* needs pictures"):
        list(fit(torch.nn.Linear(6, 3), flat, torch.arange(8) % 3, recipe))
